package capacity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cyverse-gis/eemt/cmd/internal/capacity"
)

func TestReplicaSettings(t *testing.T) {
	for _, c := range []struct {
		replica capacity.Replica
		want    string
	}{
		{capacity.Replica{Cores: 8, Memory: 16 << 30}, ""},
		{capacity.Replica{Cores: 0}, "EEMT_COMPUTE_CORES 0: must be 1 to 1024"},
		{capacity.Replica{Cores: 1025}, "EEMT_COMPUTE_CORES 1025"},
		{capacity.Replica{Cores: 1, Memory: 1 << 20}, "EEMT_COMPUTE_MEMORY 1048576: must be at least 134217728"},
	} {
		got, err := capacity.Cost{Speed: 1, MaxCells: 100}.Of(c.replica)
		if c.want == "" {
			if err != nil || got.Cores != c.replica.Cores || got.Memory != c.replica.Memory || got.MaxCells != 100 {
				t.Errorf("%+v: %+v, %v", c.replica, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.replica, err, c.want)
		}
	}
}

func TestCostSettings(t *testing.T) {
	for _, c := range []struct {
		cost capacity.Cost
		want string
	}{
		{capacity.Cost{Speed: 1}, ""},
		{capacity.Cost{Speed: 2, MaxCells: 1e9, MaxCoreHours: 100, MaxResults: 1e12}, ""},
		{capacity.Cost{Speed: 0}, "EEMT_CORE_SPEED 0: must be 0.05 to 100"},
		{capacity.Cost{Speed: 1, MaxCells: -1}, "EEMT_MAX_CELLS -1"},
		{capacity.Cost{Speed: 1, MaxCoreHours: -2}, "EEMT_MAX_CORE_HOURS -2"},
		{capacity.Cost{Speed: 1, MaxEvent: 10 * time.Minute}, ""},
		{capacity.Cost{Speed: 1, MaxTemp: 20 << 30}, ""},
		{capacity.Cost{Speed: 1, MaxTemp: -1}, "EEMT_TEMP_BYTES -1"},
		{capacity.Cost{Speed: 1, MaxEvent: -time.Second}, "EEMT_EVENT_TIMEOUT -1s"},
	} {
		got, err := c.cost.On(4)
		if c.want == "" {
			if err != nil || got.Cores != 4 || got.Memory < 128<<20 || got.MaxCells != c.cost.MaxCells || got.MaxEvent != c.cost.MaxEvent || got.MaxTemp != c.cost.MaxTemp {
				t.Errorf("%+v: %+v, %v", c.cost, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cost, err, c.want)
		}
	}
}
