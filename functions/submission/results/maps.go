package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/paulmach/orb/geojson"
	"github.com/sourcegraph/conc/pool"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/semaphore"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/calendar"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/maptile"
	"github.com/cyverse-gis/eemt/shared/preview"
	"github.com/cyverse-gis/eemt/shared/product"
	"github.com/cyverse-gis/eemt/shared/rangeread"
)

const (
	// drawnAtOnce bounds how many tiles are drawn at a time.
	drawnAtOnce = 4
	// mostLayers bounds a point query.
	mostLayers = 64
)

// layerName checks the name of a map among the results.
func layerName(name string) (string, error) {
	if name == "" {
		name = product.Default
	}
	if path.Clean("/"+name) != "/"+name || !strings.HasSuffix(name, ".tif") || len(name) > 200 {
		return "", problem.Bad("layer", name, "the name of a map under /jobs/ID/results/", fmt.Sprintf("layer %.80q: must be the name of a map, such as %s", name, product.Default))
	}
	return name, nil
}

// Maps draws maps, and reads values out of them.
type Maps struct {
	Store  job.Store
	Answer answer.Writer

	// drawing bounds the tiles that are drawn at a time.
	drawing *semaphore.Weighted
	tiles   tileCache
}

// NewMaps returns what draws the maps in a store.
func NewMaps(store job.Store, answer answer.Writer) *Maps {
	return &Maps{Store: store, Answer: answer, drawing: semaphore.NewWeighted(drawnAtOnce), tiles: newTileCache()}
}

// Forget drops what is kept of the maps of a job that is removed.
func (m *Maps) Forget(id string) { m.tiles.forget(id) }

// withLayer calls f with an open map of a completed job.
func (m *Maps) withLayer(ctx context.Context, id, name string, f func(l *maptile.Raster) error) error {
	name, err := layerName(name)
	if err != nil {
		return err
	}
	if !job.ValidID(id) {
		return problem.NoSuchJob(id)
	}
	r, err := rangeread.Object(ctx, m.Store.Bucket, job.ResultKey(id, name))
	if gcerrors.Code(err) == gcerrors.NotFound {
		if _, err := m.Store.Request(ctx, id); err != nil {
			return err
		}
		return problem.Bad("layer", name, "the name of a map under /jobs/"+id+"/results/", fmt.Sprintf("job %s has no map %.80q", id, name))
	}
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	l, err := maptile.Open(r, r.Size())
	if err != nil {
		return fmt.Errorf("map %s of job %s: %w", name, id, err)
	}
	return f(l)
}

// rampOf is the colour ramp of a map when none is named.
func rampOf(layer string) string { return cmp.Or(product.RampOf(layer), preview.DefaultRamp) }

// scaleOf reads colours and range from a query. Without them the ramp is that of the table of maps, and the range the table's
// or else that of the map.
func scaleOf(c *gin.Context, l *maptile.Raster, layer string) (maptile.Scale, error) {
	var sc maptile.Scale
	ramp := c.DefaultQuery("ramp", rampOf(layer))
	colours, err := preview.Colours(ramp)
	if err != nil {
		return sc, problem.Bad("ramp", ramp, strings.Join(preview.Ramps(), ", "), err.Error())
	}
	sc.Colours = colours
	stated, ok := l.Stated()
	if !ok {
		if stated, err = l.Summarize(c.Request.Context()); err != nil {
			return sc, err
		}
	}
	sc.Min, sc.Max = stated.Minimum, stated.Maximum
	if q, _ := product.Find(layer); q.Range != nil {
		sc.Min, sc.Max = q.Range[0], q.Range[1]
	}
	for name, to := range map[string]*float64{"min": &sc.Min, "max": &sc.Max} {
		text, given := c.GetQuery(name)
		if !given {
			continue
		}
		if *to, err = number(name, text); err != nil {
			return sc, err
		}
	}
	if sc.Min > sc.Max {
		return sc, problem.Bad("min", fmt.Sprint(sc.Min), fmt.Sprintf("at most max, %g", sc.Max), fmt.Sprintf("min %g: must not be above max %g", sc.Min, sc.Max))
	}
	return sc, nil
}

func number(name, text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, problem.Bad(name, text, "a number", fmt.Sprintf("%s %.40q: must be a number", name, text))
	}
	return v, nil
}

// TileJSON describes the tiles of a map (TileJSON 3.0.0).
func (m *Maps) TileJSON(c *gin.Context) {
	id, layer := c.Param("id"), c.DefaultQuery("layer", product.Default)
	err := m.withLayer(c.Request.Context(), id, layer, func(l *maptile.Raster) error {
		sc, err := scaleOf(c, l, layer)
		if err != nil {
			return err
		}
		b := l.Bound()
		low, high := l.Zooms()
		centre := []float64{math.Remainder(b.Center().Lon(), 360), b.Center().Lat(), float64(low)}
		if b.Right() > 180 { // TileJSON has no words for an extent across the antimeridian
			b.Min[0], b.Max[0] = -180, 180
		}
		q := url.Values{"layer": {layer}}
		for _, name := range []string{"ramp", "min", "max"} {
			if v, ok := c.GetQuery(name); ok {
				q.Set(name, v)
			}
		}
		c.JSON(http.StatusOK, gin.H{
			"tilejson": "3.0.0", "name": layer, "description": l.Image.Band(0).Description, "scheme": "xyz", "version": "1.0.0",
			"tiles":  []string{answer.Base(c) + "/jobs/" + id + "/tiles/{z}/{x}/{y}.png?" + q.Encode()},
			"bounds": geojson.NewBBox(b), "center": centre, "minzoom": low, "maxzoom": high,
			"unit": l.Image.Band(0).Unit, "min": sc.Min, "max": sc.Max, "ramp": c.DefaultQuery("ramp", rampOf(layer)), "ramps": preview.Ramps(),
			"attribution": "", "vector_layers": []gin.H{},
		})
		return nil
	})
	if err != nil {
		m.Answer.Problem(c, err)
	}
}

// Tile draws one tile. What is drawn never changes, so that clients may keep it.
func (m *Maps) Tile(c *gin.Context) {
	var at [3]int
	for i, name := range []string{"z", "x", "y"} {
		text := c.Param(name)
		if name == "y" {
			text = strings.TrimSuffix(text, ".png")
		}
		v, err := strconv.Atoi(text)
		if err != nil || v < 0 || i == 0 && v > maptile.MaxZoom || i > 0 && v >= 1<<at[0] {
			m.Answer.Problem(c, problem.Bad(name, text, fmt.Sprintf("z 0 to %d, x and y 0 to 2^z-1", maptile.MaxZoom), fmt.Sprintf("%s %.20q of the tile: z must be 0 to %d, x and y 0 to 2^z-1", name, text, maptile.MaxZoom)))
			return
		}
		at[i] = v
	}
	id, layer := c.Param("id"), c.DefaultQuery("layer", product.Default)
	key, ok := tileKeyOf(c, id, layer, at)
	var data []byte
	if ok {
		data, ok = m.tiles.GetIfPresent(key)
	}
	if !ok {
		if m.drawing.Acquire(c.Request.Context(), 1) != nil {
			return
		}
		defer m.drawing.Release(1)
		err := m.withLayer(c.Request.Context(), id, layer, func(l *maptile.Raster) error {
			sc, err := scaleOf(c, l, layer)
			if err == nil {
				data, err = l.Tile(c.Request.Context(), at[0], at[1], at[2], sc)
			}
			return err
		})
		if err != nil {
			m.Answer.Problem(c, err)
			return
		}
		m.tiles.Set(key, data)
	}
	answer.Keep(c, 24*time.Hour)
	c.Data(http.StatusOK, "image/png", data)
}

// pointValue is one answer of a point query; Value is nil where there is none.
type pointValue struct {
	Layer       string   `json:"layer"`
	Value       *float64 `json:"value"`
	Unit        string   `json:"unit"`
	Description string   `json:"description"`
	Col         int      `json:"col"`
	Row         int      `json:"row"`
	Inside      bool     `json:"inside"`
}

// Value reads maps at a place. {mon} in a layer's name stands for the twelve months.
func (m *Maps) Value(c *gin.Context) {
	lon, err := number("lon", c.Query("lon"))
	var lat float64
	if err == nil {
		lat, err = number("lat", c.Query("lat"))
	}
	if err == nil && (math.Abs(lon) > 360 || math.Abs(lat) > 90) {
		err = problem.Bad("lon", c.Query("lon"), "lon -360 to 360, lat -90 to 90", fmt.Sprintf("lon %g, lat %g: must be degrees, -360 to 360 and -90 to 90", lon, lat))
	}
	if err != nil {
		m.Answer.Problem(c, err)
		return
	}
	var layers []string
	for _, text := range c.QueryArray("layer") {
		for _, name := range strings.Split(text, ",") {
			if !strings.Contains(name, "{mon}") {
				layers = append(layers, name)
				continue
			}
			for _, month := range calendar.Months {
				layers = append(layers, strings.ReplaceAll(name, "{mon}", month))
			}
		}
	}
	if len(layers) == 0 {
		layers = []string{product.Default}
	}
	if len(layers) > mostLayers {
		m.Answer.Problem(c, problem.Bad("layer", strconv.Itoa(len(layers)), fmt.Sprintf("at most %d", mostLayers), fmt.Sprintf("%d layers: at most %d in one request", len(layers), mostLayers)))
		return
	}
	values := make([]pointValue, len(layers))
	errs := make([]error, len(layers))
	wait := pool.New().WithMaxGoroutines(drawnAtOnce)
	for i, name := range layers {
		wait.Go(func() {
			errs[i] = m.withLayer(c.Request.Context(), c.Param("id"), name, func(l *maptile.Raster) error {
				v, col, row, inside, err := l.Value(c.Request.Context(), lon, lat)
				band := l.Image.Band(0)
				values[i] = pointValue{Layer: name, Unit: band.Unit, Description: band.Description, Col: col, Row: row, Inside: inside}
				if inside && !math.IsNaN(v) {
					values[i].Value = &v
				}
				return err
			})
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		m.Answer.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"lon": lon, "lat": lat, "values": values})
}

// Statistics describes the values of a map.
func (m *Maps) Statistics(c *gin.Context) {
	layer := c.DefaultQuery("layer", product.Default)
	err := m.withLayer(c.Request.Context(), c.Param("id"), layer, func(l *maptile.Raster) error {
		st, err := l.Summarize(c.Request.Context())
		if err != nil {
			return err
		}
		band := l.Image.Band(0)
		c.JSON(http.StatusOK, struct {
			Layer       string `json:"layer"`
			Unit        string `json:"unit"`
			Description string `json:"description"`
			maptile.Statistics
		}{layer, band.Unit, band.Description, st})
		return nil
	})
	if err != nil {
		m.Answer.Problem(c, err)
	}
}
