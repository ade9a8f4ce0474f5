package service

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/caarlos0/env/v11"
)

// Parse reads the environment into a struct. Its error names the variable, not the field.
func Parse(into any) error {
	err := env.Parse(into)
	var wrong env.ParseError
	if !errors.As(err, &wrong) {
		return err
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		if name := f.Tag.Get("env"); f.Name == wrong.Name && name != "" {
			return fmt.Errorf("environment variable %s: %w", name, wrong.Err)
		}
	}
	return err
}
