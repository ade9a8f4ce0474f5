package service_test

import (
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/cmd/internal/climate"
	"github.com/cyverse-gis/eemt/cmd/internal/intake"
	"github.com/cyverse-gis/eemt/cmd/internal/service"
	"github.com/cyverse-gis/eemt/functions/cleanup"
)

func TestParseNamesTheVariable(t *testing.T) {
	var c struct {
		cleanup.Settings
		Largest int64 `env:"EEMT_MAX_UPLOAD_BYTES"`
	}
	t.Setenv("EEMT_MAX_UPLOAD_BYTES", "4GiB")
	if err := service.Parse(&c); err == nil || !strings.Contains(err.Error(), `EEMT_MAX_UPLOAD_BYTES: strconv.ParseInt: parsing "4GiB"`) {
		t.Errorf("%v", err)
	}
	t.Setenv("EEMT_MAX_UPLOAD_BYTES", "4")
	t.Setenv("EEMT_SUCCESS_RETENTION_DAYS", "a week")
	if err := service.Parse(&c); err == nil || !strings.Contains(err.Error(), "EEMT_SUCCESS_RETENTION_DAYS: ") {
		t.Errorf("%v", err)
	}
	t.Setenv("EEMT_SUCCESS_RETENTION_DAYS", "3")
	if err := service.Parse(&c); err != nil || c.Days != 3 || c.Hours != 12 || c.Largest != 4 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestNobodyIsNotTheDefault: a list of hosts or of operators that is set to nothing names none.
func TestNobodyIsNotTheDefault(t *testing.T) {
	var c struct {
		climate.Hosts
		intake.Access
	}
	if err := service.Parse(&c); err != nil || len(c.Names) != 1 || len(c.Operators) != 1 {
		t.Errorf("by default %v, %v (%v)", c.Names, c.Operators, err)
	}
	for _, name := range []string{"EEMT_CLIMATE_HOSTS", "EEMT_CLIMATE_REDIRECT_HOSTS", "EEMT_AUTH_OPERATORS"} {
		t.Setenv(name, "")
	}
	if err := service.Parse(&c); err != nil || len(c.Names)+len(c.Redirects)+len(c.Operators) > 0 {
		t.Errorf("set to nothing: %v, %v, %v (%v)", c.Names, c.Redirects, c.Operators, err)
	}
}
