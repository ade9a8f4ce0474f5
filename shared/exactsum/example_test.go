package exactsum_test

import (
	"fmt"

	"github.com/cyverse-gis/eemt/shared/exactsum"
)

// Floating-point addition depends on the order of addends; Sum does not.
func Example() {
	addends := []float64{1e16, 1, -1e16, 1}
	plain := 0.0
	var sum exactsum.Sum
	for _, x := range addends {
		plain += x
		sum.Add(x)
	}
	fmt.Println(plain, sum.Float64())
	// Output:
	// 1 2
}

// Parts of a map are summed each by itself, written as text, read and added.
func ExampleSum_AddSum() {
	var east, west exactsum.Sum
	east.Add(0.5)
	east.Add(2.25)
	west.Add(-1)
	text, err := east.MarshalText()
	if err != nil {
		panic(err)
	}
	var total exactsum.Sum
	if err := total.UnmarshalText(text); err != nil {
		panic(err)
	}
	total.AddSum(west)
	fmt.Println(string(text), total.Float64(), total.Err())
	// Output:
	// 2.c 1.75 <nil>
}
