package service

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/caarlos0/env/v11"
)

// Parse reads the environment into a struct. A list that is set to nothing is empty, whatever its default. An error names the
// variable, not the field.
func Parse(into any) error {
	err := env.Parse(into)
	fields := reflect.VisibleFields(reflect.TypeOf(into).Elem())
	for _, f := range fields {
		if value, set := os.LookupEnv(f.Tag.Get("env")); set && value == "" && f.Type == reflect.TypeFor[[]string]() {
			reflect.ValueOf(into).Elem().FieldByIndex(f.Index).SetZero()
		}
	}
	var wrong env.ParseError
	if !errors.As(err, &wrong) {
		return err
	}
	for _, f := range fields {
		if name := f.Tag.Get("env"); f.Name == wrong.Name && name != "" {
			return fmt.Errorf("environment variable %s: %w", name, wrong.Err)
		}
	}
	return err
}
