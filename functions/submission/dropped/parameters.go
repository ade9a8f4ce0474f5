package dropped

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/cyverse-gis/eemt/functions/submission/form"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/climate"
	"github.com/cyverse-gis/eemt/shared/inspect"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// parameters reads the parameters of a dropped file: the defaults, over them its metadata, over them the file beside it.
// An error of the kind fault.Invalid says what cannot be used; f then holds what could.
func (w *Watcher) parameters(ctx context.Context, key string, a *blob.Attributes) (form.Form, error) {
	f := form.New()
	announced := false
	var errs []error
	for name, value := range a.Metadata {
		name, ours := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(name), "-", "_"), "eemt_")
		switch {
		case !ours:
		case name == "sidecar":
			b, err := strconv.ParseBool(value)
			if err != nil {
				errs = append(errs, problem.Invalid(fmt.Errorf("metadata eemt-sidecar %q: must be true or false", value)))
			}
			announced = b
		default:
			errs = append(errs, drop(&f, "metadata eemt-", name, value))
		}
	}
	names := []string{key + ".json"}
	if isDEM(key) {
		names = append(names, strings.TrimSuffix(key, path.Ext(key))+".json")
	}
	found := false
	for _, name := range names {
		values, ok, err := sidecar(ctx, w.Store.Bucket, name)
		if err != nil && !problem.Refused(err) {
			return f, err
		}
		errs = append(errs, err)
		for field, value := range values {
			errs = append(errs, drop(&f, "file "+name+": ", field, value))
		}
		if found = ok; found {
			break
		}
	}
	if announced && !found {
		return f, waiting("it waits for its parameters in " + names[0])
	}
	// Sorted, so that the sentence does not depend on the order in which a map is read.
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	if err := errors.Join(errs...); err != nil {
		return f, problem.Invalid(oneSentence(err))
	}
	f.Params.OneYear(f.StartSet, f.EndSet)
	return f, besideClimate(key, &f.Params)
}

func oneSentence(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// drop sets one parameter, named as in a form or in job.json.
func drop(f *form.Form, from, name, value string) error {
	if name == "workflow" {
		name = "workflow_type"
	}
	if err := f.Set(name, value); err != nil {
		return problem.Invalid(fmt.Errorf("%s%w", from, err))
	}
	return nil
}

// sidecar reads a JSON object of parameters as the text that a form would hold.
func sidecar(ctx context.Context, b *blob.Bucket, key string) (map[string]string, bool, error) {
	r, err := b.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxSidecar+1))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", key, err)
	}
	if len(data) > maxSidecar {
		return nil, true, problem.Invalid(fmt.Errorf("file %s: must have at most %d bytes", key, maxSidecar))
	}
	values, err := fields(data)
	if err != nil {
		return nil, true, problem.Invalid(fmt.Errorf("file %s: %w", key, err))
	}
	return values, true, nil
}

// fields reads {"step": 30, "linke_value": [2, 2.5, ...], "climate": "table:station.csv"}.
func fields(data []byte) (map[string]string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("must be a JSON object of parameters such as {\"step\": 30}: %w", err)
	}
	values := map[string]string{}
	for name, v := range raw {
		list := []json.RawMessage{v}
		if len(v) > 0 && v[0] == '[' {
			list = nil
			if err := json.Unmarshal(v, &list); err != nil {
				return nil, err
			}
		}
		parts := make([]string, 0, len(list))
		for _, item := range list {
			part := string(item)
			switch part[0] {
			case '"':
				if err := json.Unmarshal(item, &part); err != nil {
					return nil, err
				}
			case '{', '[', 'n':
				return nil, fmt.Errorf("%.100q: must be a number, a text, true or false, or a list of numbers", name)
			}
			parts = append(parts, part)
		}
		values[name] = strings.Join(parts, ",")
	}
	return values, nil
}

// besideClimate resolves the name of a climate table against the directory of the DEM.
func besideClimate(key string, p *param.Parameters) error {
	kind, name, _ := strings.Cut(p.Climate, ":")
	if kind != climate.KindTable && kind != climate.KindPixel || strings.HasPrefix(name, job.InputPrefix) || strings.HasPrefix(name, "climate/") {
		return nil
	}
	if !strings.HasPrefix(name, job.UploadPrefix) {
		name = path.Join(path.Dir(key), name)
	}
	if why := notDropped(name); why != "" && !slices.Contains(companions, strings.ToLower(path.Ext(name))) || !strings.HasPrefix(path.Clean(name), job.UploadPrefix) {
		return problem.Invalid(fmt.Errorf("climate %q: must be a .csv file under %s or climate/", p.Climate, job.UploadPrefix))
	}
	p.Climate = kind + ":" + path.Clean(name)
	return nil
}

// systemBeside takes the coordinate system of a dropped DEM from the .prj file beside it, if err says that the DEM has
// none. It returns the parameters with the system stated, and err where no file helps. key is the dropped file, read the
// object that the DEM is read from.
func (w *Watcher) systemBeside(ctx context.Context, key, read string, p param.Parameters, err error) (param.Parameters, error) {
	if !inspect.LacksCRS(err) || p.DEMCRS != "" {
		return p, err
	}
	for _, name := range inspect.PRJNames(key) {
		text, fault := prj(ctx, w.Store.Bucket, name)
		if fault != nil {
			return p, fault
		}
		if text == "" {
			continue
		}
		with := p
		with.DEMCRS = text
		if _, fault := w.Inputs.Header(ctx, read, with); !inspect.LacksCRS(fault) {
			return with, fault
		}
	}
	return p, err
}

// prj returns the text of a .prj file; empty where there is none, or it is too long to be one.
func prj(ctx context.Context, b *blob.Bucket, key string) (string, error) {
	r, err := b.NewReader(ctx, key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	defer func() { _ = r.Close() }()
	text, err := inspect.PRJ(r)
	if errors.Is(err, inspect.ErrLongPRJ) {
		return "", nil
	}
	return text, err
}
