package service_test

import (
	"strings"
	"testing"

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
