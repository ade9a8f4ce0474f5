package assembly

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cyverse-gis/eemt/functions/compute/workfile"
	"github.com/cyverse-gis/eemt/shared/dem"
	"github.com/cyverse-gis/eemt/shared/footprint"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/stac"
)

// writeItem writes the STAC item of the job beside its maps.
func (a *assembly) writeItem(ctx context.Context, d *dem.DEM, r *Report) error {
	outline := footprint.Outline(d.CRS, d.Image.Transform, d.Image.Width, d.Image.Height)
	if len(outline) < 4 {
		a.mosaic.job.Log.Warn("no item is written: the outline of the DEM lies outside of its projection's domain")
		return nil
	}
	t := d.Image.Transform
	s := stac.Source{
		ID: r.JobID, Process: string(r.Workflow), Title: string(r.Workflow) + " of " + r.DEM.Name, Created: r.Created, Finished: r.Finished,
		FirstYear: r.Parameters.StartYear, LastYear: r.Parameters.EndYear, Outline: outline, EPSG: d.CRS.EPSG(),
		Width: d.Image.Width, Height: d.Image.Height, OriginX: t.OriginX, OriginY: t.OriginY, StepX: t.StepX, StepY: t.StepY,
		DEMName: r.DEM.Name, DEMSHA256: r.DEM.SHA256, Software: r.Version, Previews: r.Previews, Report: workfile.ReportName, Alone: a.alone,
	}
	for _, l := range r.Layers {
		s.Products = append(s.Products, stac.Product{Name: l.Name, Description: l.Description, Unit: l.Unit, Mean: l.Mean, Minimum: l.Minimum, Maximum: l.Maximum})
	}
	item, err := stac.NewItem(s)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(item, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the item: %w", err)
	}
	return a.mosaic.job.Objects.Put(ctx, job.ResultKey(r.JobID, workfile.ItemName), "application/geo+json", func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}
