package ogc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/joblist"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/functions/submission/results"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// Results answers with the outputs of jobs.
type Results struct {
	Store     job.Store
	Jobs      joblist.Reader
	Processes Catalogue
	Files     *results.Files
	Log       *slog.Logger
	Answer    answer.Writer
}

// Get answers with the outputs of a job, as its execute request, or this
// request, wants them.
func (r *Results) Get(c *gin.Context) {
	st, err := r.Jobs.Status(c.Request.Context(), c.Param("id"))
	if err != nil {
		r.Answer.Problem(c, err)
		return
	}
	p, err := r.Processes.Process(string(st.Request.Workflow), answer.Base(c))
	if err != nil {
		r.Answer.Problem(c, err)
		return
	}
	r.send(c, p, st)
}

// output is one result to send.
type output struct {
	name      string
	mediaType string
	reference bool
	href      string
	// file under results/, or inline when it is empty.
	file   string
	inline json.RawMessage
}

func (r *Results) send(c *gin.Context, p Process, st job.Status) {
	if err := available(st); err != nil {
		r.Answer.Problem(c, err)
		return
	}
	outputs, err := r.outputs(c, p, st)
	if err != nil {
		r.Answer.Problem(c, err)
		return
	}
	d := st.Request.Delivery
	_, named := answer.Accepts(c, JSON)
	document := d != nil && d.Response == "document" || (d == nil || d.Response == "") && named || c.Query("f") == "json"
	c.Header("Vary", "Accept")
	switch {
	case answer.WantsHTML(c):
		r.Answer.Document(c, http.StatusOK, "Results of job "+st.Request.ID, references(outputs))
	case document:
		r.sendDocument(c, st, outputs)
	case len(outputs) == 1:
		r.sendRaw(c, st, outputs[0])
	default:
		r.sendParts(c, st, outputs)
	}
}

// available refuses the results of a job that has none, or none any more.
func available(st job.Status) error {
	id := st.Request.ID
	switch {
	case !st.Ended():
		return problem.NotReady(id, st.Message())
	case st.State == job.Failed:
		p := problem.Plain(http.StatusUnprocessableEntity, "job "+id+" failed: "+st.End.Reason)
		p.Title = "Job failed"
		return p
	case st.State == job.Cancelled:
		return problem.Plain(http.StatusGone, "job "+id+" was dismissed: it has no results")
	case st.Expired != nil:
		return problem.Plain(http.StatusGone, "the results of job "+id+" were deleted on "+st.Expired.Format("2006-01-02")+"; execute it again")
	}
	return nil
}

// outputs lists what the client asked for.
func (r *Results) outputs(c *gin.Context, p Process, st job.Status) ([]output, error) {
	asked := st.Request
	var echo map[string]json.RawMessage
	if asked.Workflow == param.Echo {
		var err error
		if echo, err = echoValues(st); err != nil {
			return nil, err
		}
	}
	var list []output
	for _, name := range p.Asked(asked.Delivery) {
		o := output{name: name, mediaType: JSON}
		if file, ok := p.File(name, asked); ok {
			o.file = file
			o.href = answer.Base(c) + "/jobs/" + asked.ID + "/results/" + file
			if strings.HasSuffix(file, ".tif") {
				o.mediaType = GeoTIFF
				// Who names no output gets links to the maps: together they may be gigabytes.
				o.reference = asked.Delivery == nil || len(asked.Delivery.Outputs) == 0
			}
		} else if v, given := echo[name]; given {
			o.inline = v
		} else {
			continue // an input that was not given is not echoed
		}
		if asked.Delivery != nil && o.file != "" {
			switch asked.Delivery.Outputs[name].Mode {
			case "reference":
				o.reference = true
			case "value":
				o.reference = false
			}
		}
		list = append(list, o)
	}
	return list, nil
}

func references(outputs []output) gin.H {
	h := gin.H{}
	for _, o := range outputs {
		if o.inline != nil {
			h[o.name] = o.inline
			continue
		}
		h[o.name] = Link{Href: o.href, Type: o.mediaType, Title: o.file}
	}
	return h
}

// sendDocument writes results.yaml, streaming values that are files.
func (r *Results) sendDocument(c *gin.Context, st job.Status, outputs []output) {
	c.Header("Content-Type", JSON)
	c.Status(http.StatusOK)
	w := c.Writer
	err := func() error {
		for i, o := range outputs {
			start := ","
			if i == 0 {
				start = "{"
			}
			name, err := json.Marshal(o.name)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s%s:", start, name); err != nil {
				return err
			}
			if err := r.writeValue(c, w, st, o); err != nil {
				return fmt.Errorf("output %s: %w", o.name, err)
			}
		}
		end := "}"
		if len(outputs) == 0 {
			end = "{}"
		}
		_, err := io.WriteString(w, end)
		return err
	}()
	r.broken(st, err)
}

// writeValue writes one output as it stands in a results document.
func (r *Results) writeValue(c *gin.Context, w io.Writer, st job.Status, o output) error {
	switch {
	case o.inline != nil:
		_, err := w.Write(o.inline)
		return err
	case o.reference:
		return json.NewEncoder(w).Encode(Link{Href: o.href, Type: o.mediaType, Title: o.file})
	case o.mediaType == JSON:
		return r.copyResult(c, w, st, o.file)
	}
	if _, err := fmt.Fprintf(w, `{"mediaType":%q,"encoding":"base64","value":"`, o.mediaType); err != nil {
		return err
	}
	e := base64.NewEncoder(base64.StdEncoding, w)
	if err := r.copyResult(c, e, st, o.file); err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, `"}`)
	return err
}

func (r *Results) copyResult(c *gin.Context, w io.Writer, st job.Status, file string) error {
	in, err := r.Store.Bucket.NewReader(c.Request.Context(), job.ResultKey(st.Request.ID, file), nil)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	_, err = io.Copy(w, in)
	return err
}

// sendRaw answers with one output as it is.
func (r *Results) sendRaw(c *gin.Context, st job.Status, o output) {
	switch {
	case o.reference:
		c.Header("Link", fmt.Sprintf(`<%s>; rel=%q; type=%q`, o.href, "item", o.mediaType))
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
	case o.inline != nil:
		var text string
		if json.Unmarshal(o.inline, &text) == nil {
			c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
			return
		}
		c.Data(http.StatusOK, JSON, o.inline)
	default:
		r.Files.Serve(c, st.Request.ID, o.file)
	}
}

// sendParts answers with several outputs, one after the other (RFC 2387).
func (r *Results) sendParts(c *gin.Context, st job.Status, outputs []output) {
	m := multipart.NewWriter(c.Writer)
	root, _, _ := strings.Cut(outputs[0].mediaType, ";")
	c.Header("Content-Type", mime.FormatMediaType("multipart/related", map[string]string{"boundary": m.Boundary(), "type": root}))
	c.Status(http.StatusOK)
	err := func() error {
		for _, o := range outputs {
			h := textproto.MIMEHeader{"Content-Type": {o.mediaType}, "Content-Id": {"<" + o.name + ">"}}
			if o.reference {
				h.Set("Content-Location", o.href)
			}
			part, err := m.CreatePart(h)
			switch {
			case err != nil:
				return err
			case o.reference:
			case o.inline != nil:
				_, err = part.Write(o.inline)
			default:
				err = r.copyResult(c, part, st, o.file)
			}
			if err != nil {
				return fmt.Errorf("output %s: %w", o.name, err)
			}
		}
		return m.Close()
	}()
	r.broken(st, err)
}

// broken ends an answer that has begun: only breaking the connection tells the client.
func (r *Results) broken(st job.Status, err error) {
	if err == nil {
		return
	}
	if !errors.Is(err, http.ErrAbortHandler) {
		r.Log.Error("sending results failed", "job", st.Request.ID, "error", err)
	}
	panic(http.ErrAbortHandler)
}
