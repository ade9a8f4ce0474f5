package exactsum_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cyverse-gis/eemt/shared/exactsum"
)

func sum(values ...float64) exactsum.Sum {
	var s exactsum.Sum
	for _, x := range values {
		s.Add(x)
	}
	return s
}

// addends draws numbers of all magnitudes that a sum takes, and of many that it rounds.
func addends(r *rand.Rand, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = math.Ldexp(r.Float64()*2-1, r.IntN(63+80)-79)
		switch r.IntN(20) {
		case 0:
			list[i] = math.Ldexp(float64(r.IntN(7)-3), -65) // ties
		case 1:
			list[i] = 0
		}
	}
	return list
}

// exactly is the sum in integers of unbounded size, in units of 2^-64.
func exactly(values []float64) *big.Int {
	total := new(big.Int)
	for _, x := range values {
		scaled := new(big.Float).SetPrec(2000).SetMantExp(big.NewFloat(x), 64)
		floor, _ := scaled.Int(nil) // towards zero
		rest := new(big.Float).SetPrec(2000).Sub(scaled, new(big.Float).SetInt(floor))
		half := rest.Abs(rest).Cmp(big.NewFloat(0.5))
		if half > 0 || half == 0 && floor.Bit(0) == 1 {
			floor.Add(floor, big.NewInt(int64(math.Copysign(1, x))))
		}
		total.Add(total, floor)
	}
	return total
}

func nearest(units *big.Int) float64 {
	x, _ := new(big.Float).SetMantExp(new(big.Float).SetInt(units), -64).Float64()
	return x
}

func TestSumIsTheExactOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		values := addends(r, 1+r.IntN(40))
		s := sum(values...)
		if got, want := s.Float64(), nearest(exactly(values)); got != want {
			t.Fatalf("sum of %g is %g, want %g", values, got, want)
		}
	}
}

func TestOrderAndGroupsDoNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	values := addends(r, 3000)
	want := sum(values...)
	for range 50 {
		r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		groups := make([]exactsum.Sum, 1+r.IntN(30))
		for _, x := range values {
			groups[r.IntN(len(groups))].Add(x)
		}
		for len(groups) > 1 { // any tree
			i := r.IntN(len(groups) - 1)
			groups[i].AddSum(groups[i+1])
			groups = append(groups[:i+1], groups[i+2:]...)
		}
		if groups[0] != want {
			t.Fatalf("%v in another order, want %v", groups[0], want)
		}
	}
	if naive := naively(values); naive == want.Float64() {
		t.Error("float64 gives the same, by luck: the test shows nothing")
	}
}

func naively(values []float64) float64 {
	var total float64
	for _, x := range values {
		total += x
	}
	return total
}

func TestFloat64RoundsToNearestEven(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"nothing", nil, 0},
		{"minus zero", []float64{math.Copysign(0, -1)}, 0},
		{"the least unit", []float64{0x1p-64}, 0x1p-64},
		{"half of it rounds to even", []float64{0x1p-65}, 0},
		{"three halves too", []float64{0x3p-65}, 0x1p-63},
		{"more than half of it", []float64{0x1.0000000000001p-65}, 0x1p-64},
		{"the least float64", []float64{math.SmallestNonzeroFloat64}, 0},
		{"a tie to even", []float64{0x1p53, 1}, 0x1p53},
		{"a tie to even above", []float64{0x1p53, 2, 1}, 0x1p53 + 4},
		{"a little above a tie", []float64{0x1p53, 1, 0x1p-64}, 0x1p53 + 2},
		{"a little below one", []float64{0x1p53, 1, -0x1p-64}, 0x1p53},
		{"cancels", []float64{1e15, 1e-9, -1e15}, math.RoundToEven(1e-9*0x1p64) / 0x1p64},
		{"negative", []float64{-1e18, -1e18, -0.5}, -2e18},
		{"beyond 2^63", []float64{9e18, 9e18, 9e18}, 2.7e19},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sum(c.values...).Float64(); got != c.want {
				t.Errorf("%g, want %g", got, c.want)
			}
		})
	}
}

func TestWhatSpoilsASum(t *testing.T) {
	for _, c := range []struct {
		name  string
		value float64
		want  error
	}{
		{"NaN", math.NaN(), exactsum.ErrNaN},
		{"infinity", math.Inf(1), exactsum.ErrRange},
		{"minus infinity", math.Inf(-1), exactsum.ErrRange},
		{"2^63", 0x1p63, exactsum.ErrRange},
		{"-2^63", -0x1p63, exactsum.ErrRange},
		{"just below", math.Nextafter(0x1p63, 0), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sum(1, c.value)
			var group exactsum.Sum
			group.AddSum(s)
			for _, s := range []exactsum.Sum{s, group} {
				if err := s.Err(); !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if math.IsNaN(s.Float64()) != (c.want != nil) {
					t.Errorf("value %g", s.Float64())
				}
				if _, err := s.MarshalText(); !errors.Is(err, c.want) {
					t.Errorf("written with error %v, want %v", err, c.want)
				}
			}
		})
	}
	if err := sum(math.NaN(), math.Inf(1)).Err(); !errors.Is(err, exactsum.ErrNaN) || !errors.Is(err, exactsum.ErrRange) {
		t.Errorf("%v, want both", err)
	}
	if a, b := sum(math.NaN(), math.Inf(1), 3), sum(3, math.Inf(1), math.NaN()); a != b {
		t.Errorf("spoiled in another order: %v, %v", a, b)
	}
}

// TestReadSumsMayOverflow adds sums that no addends make.
func TestReadSumsMayOverflow(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want error
	}{
		{"7fffffffffffffffffffffffffffffff", "1", exactsum.ErrRange},
		{"7fffffffffffffffffffffffffffffff.8", "0.8", exactsum.ErrRange},
		{"7fffffffffffffffffffffffffffffff", "0.ffffffffffffffff", nil},
		{"-80000000000000000000000000000000", "-0.0000000000000001", exactsum.ErrRange},
		{"-40000000000000000000000000000000", "-40000000000000000000000000000000", nil},
		{"-80000000000000000000000000000000", "7fffffffffffffffffffffffffffffff", nil},
	} {
		a, b := read(t, c.a), read(t, c.b)
		a.AddSum(b)
		if err := a.Err(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s + %s: error %v, want %v", c.a, c.b, err, c.want)
		}
	}
}

func read(t *testing.T, text string) exactsum.Sum {
	t.Helper()
	var s exactsum.Sum
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestText(t *testing.T) {
	for text, s := range map[string]exactsum.Sum{
		"0": {}, "1": sum(1), "-1a.8": sum(-26.5), "0.0000000000000001": sum(0x1p-64), "-0.8": sum(-0.5),
		"8000000000000000": sum(0x1p62, 0x1p62), "10000000000000000": sum(0x1p62, 0x1p62, 0x1p62, 0x1p62),
	} {
		got, err := json.Marshal(s)
		if err != nil || string(got) != `"`+text+`"` {
			t.Errorf("%v is written %s (%v), want %q", s, got, err, text)
		}
		var back exactsum.Sum
		if err := json.Unmarshal(got, &back); err != nil || back != s {
			t.Errorf("%s is read as %v (%v), want %v", got, back, err, s)
		}
	}
	for _, text := range []string{
		`""`, `"-"`, `"."`, `"1."`, `".8"`, `"+1"`, `"1_0"`, `"0x1"`, `"g"`, `"A"`, `"1.8.8"`, `"--1"`, `" 1"`, `"1e400"x`,
		`"80000000000000000000000000000000"`, `"-80000000000000000000000000000000.8"`, `"` + strings.Repeat("0", 33) + `"`,
		`"0.` + strings.Repeat("0", 17) + `"`, `1250`, `-0.1`, `1e19`, `-1e300`, `1e999`, `[]`, `{}`, `true`,
	} {
		kept := sum(7)
		if err := json.Unmarshal([]byte(text), &kept); err == nil || kept != sum(7) {
			t.Errorf("%s is read as %v (%v)", text, kept, err)
		}
	}
	kept := sum(7)
	if err := json.Unmarshal([]byte("null"), &kept); err != nil || kept != sum(7) {
		t.Errorf("null is read as %v (%v)", kept, err)
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"0", "-1a.8", "7fffffffffffffffffffffffffffffff.ffffffffffffffff", "-80000000000000000000000000000000", "1.", "zz"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s, again exactsum.Sum
		if s.UnmarshalText(text) != nil {
			return
		}
		out, err := s.MarshalText()
		if err != nil {
			t.Fatalf("%q is read and cannot be written: %v", text, err)
		}
		if err := again.UnmarshalText(out); err != nil || again != s {
			t.Fatalf("%q is written as %q, and read as %v (%v)", text, out, again, err)
		}
		want, ok := new(big.Int).SetString(strings.Replace(padded(string(out)), ".", "", 1), 16)
		if !ok || s.Float64() != nearest(want) {
			t.Fatalf("%q is %g, want %g", text, s.Float64(), nearest(want))
		}
	})
}

// padded gives a text all 16 digits behind the point.
func padded(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	return whole + "." + fraction + strings.Repeat("0", 16-len(fraction))
}

func FuzzAdd(f *testing.F) {
	f.Add(1.0, -0.1, 1e18)
	f.Add(0x1p-64, 0x1p-65, -0x1.8p-65)
	f.Fuzz(func(t *testing.T, a, b, c float64) {
		left, right := sum(a, b, c), sum(c, b)
		right.AddSum(sum(a))
		if left != right {
			t.Fatalf("%v and %v", left, right)
		}
		if left.Err() == nil && left.Float64() != nearest(exactly([]float64{a, b, c})) {
			t.Fatalf("%g + %g + %g is %g, want %g", a, b, c, left.Float64(), nearest(exactly([]float64{a, b, c})))
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	values := make([]float64, 1024)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range values {
		values[i] = 900 * r.Float64() * 80
	}
	var s exactsum.Sum
	for b.Loop() {
		for _, x := range values {
			s.Add(x)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/addend")
}
