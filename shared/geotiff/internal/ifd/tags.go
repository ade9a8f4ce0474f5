package ifd

// The tags that are read or written (TIFF 6.0, OGC 19-008r4, GDAL).
const (
	NewSubfileType      = 254
	ImageWidth          = 256
	ImageLength         = 257
	BitsPerSample       = 258
	Compression         = 259
	Photometric         = 262
	FillOrder           = 266
	StripOffsets        = 273
	SamplesPerPixel     = 277
	RowsPerStrip        = 278
	StripByteCounts     = 279
	PlanarConfig        = 284
	Software            = 305
	Predictor           = 317
	TileWidth           = 322
	TileLength          = 323
	TileOffsets         = 324
	TileByteCounts      = 325
	ExtraSamples        = 338
	SampleFormat        = 339
	ModelPixelScale     = 33550
	ModelTiepoint       = 33922
	ModelTransformation = 34264
	GeoKeyDirectory     = 34735
	GeoDoubleParams     = 34736
	GeoASCIIParams      = 34737
	GDALMetadata        = 42112
	GDALNoData          = 42113
)
