package geotiff

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name          string
		width, height int
		opts          Options
	}{
		{"228x211", 228, 211, Options{Overviews: true}},
		{"228x211/level1", 228, 211, Options{Overviews: true, Level: 1}},
		{"2000x2000", 2000, 2000, Options{Overviews: true}},
		{"2000x2000/level1", 2000, 2000, Options{Overviews: true, Level: 1}},
		{"2000x2000/level3", 2000, 2000, Options{Overviews: true, Level: 3}},
		{"2000x2000/level5", 2000, 2000, Options{Overviews: true, Level: 5}},
		{"2000x2000/zstd", 2000, 2000, Options{Overviews: true, Compression: ZSTD}},
		{"2000x2000/none", 2000, 2000, Options{Overviews: true, Compression: None}},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := hills[float32](c.width, c.height)
			b.SetBytes(int64(4 * c.width * c.height))
			var n counter
			for b.Loop() {
				n = 0
				if err := Write(io.Writer(&n), c.opts, g); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/float64(4*c.width*c.height), "size/raw")
		})
	}
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func BenchmarkRead(b *testing.B) {
	g := hills[float32](2000, 2000)
	for i, name := range []string{"deflate", "zstd", "none"} {
		var out bytes.Buffer
		if err := Write(&out, Options{Compression: Compression(i)}, g); err != nil {
			b.Fatal(err)
		}
		m := openBytes(b, out.Bytes())
		dst := make([]float64, len(g.Cells))
		b.Run(fmt.Sprint("2000x2000/", name), func(b *testing.B) {
			b.SetBytes(int64(4 * len(dst)))
			for b.Loop() {
				if err := m.Read(b.Context(), 0, m.Bounds(), dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
