package param

import (
	"fmt"
	"slices"
	"strings"
)

// Layer names maps that a job makes on request.
type Layer string

// The layers, all of clear sky where they are radiation.
const (
	Beam      Layer = "beam"      // direct radiation, monthly and annual
	Diffuse   Layer = "diffuse"   // radiation from the sky
	Reflected Layer = "reflected" // radiation from the ground
	Horizon   Layer = "horizon"   // altitude of the terrain's horizon by azimuth
	SkyView   Layer = "skyview"   // sky-view factor
)

// layers in the order in which they are written; the old suite's names stand for the first three.
var (
	layers   = []Layer{Beam, Diffuse, Reflected, Horizon, SkyView}
	oldNames = map[string]Layer{"beam_rad": Beam, "diff_rad": Diffuse, "refl_rad": Reflected}
)

// NeedsHorizon reports whether the layer shows terrain far away.
func (l Layer) NeedsHorizon() bool { return l == Horizon || l == SkyView }

// Has reports whether a layer is asked for.
func (p Parameters) Has(l Layer) bool { return slices.Contains(p.Layers, l) }

// ParseLayers reads names separated by commas; none are none.
func ParseLayers(text string) ([]Layer, error) {
	var list []Layer
	for _, f := range strings.Split(text, ",") {
		f = strings.ToLower(strings.TrimSpace(f))
		if f == "" {
			continue
		}
		l, old := oldNames[f]
		if !old {
			l = Layer(f)
		}
		if !slices.Contains(layers, l) {
			return nil, l.unknown()
		}
		if !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b Layer) int { return slices.Index(layers, a) - slices.Index(layers, b) })
	return list, nil
}

func (l Layer) unknown() error {
	return fmt.Errorf("layer %.40q: must be among %s", string(l), strings.Join(layerNames(), ", "))
}

func layerNames() []string {
	names := make([]string, len(layers))
	for i, n := range layers {
		names[i] = string(n)
	}
	return names
}
