package submission

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/answer"
	"github.com/cyverse-gis/eemt/functions/submission/ogc"
	"github.com/cyverse-gis/eemt/functions/submission/problem"
	"github.com/cyverse-gis/eemt/shared/job"
	"github.com/cyverse-gis/eemt/shared/param"
)

// getResults answers with the outputs of a job, as its execute request, or this
// request, wants them.
func (s *Service) getResults(c *gin.Context) {
	st, err := s.jobs.Status(c.Request.Context(), c.Param("id"))
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	p, err := s.processes.Process(string(st.Request.Workflow), answer.Base(c))
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	s.results(c, p, st)
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

func (s *Service) results(c *gin.Context, p ogc.Process, st job.Status) {
	if err := available(st); err != nil {
		s.answer.Problem(c, err)
		return
	}
	outputs, err := s.outputs(c, p, st)
	if err != nil {
		s.answer.Problem(c, err)
		return
	}
	d := st.Request.Delivery
	_, named := answer.Accepts(c, ogc.JSON)
	document := d != nil && d.Response == "document" || (d == nil || d.Response == "") && named || c.Query("f") == "json"
	c.Header("Vary", "Accept")
	switch {
	case answer.WantsHTML(c):
		s.answer.Document(c, http.StatusOK, "Results of job "+st.Request.ID, references(outputs))
	case document:
		s.sendDocument(c, st, outputs)
	case len(outputs) == 1:
		s.sendRaw(c, st, outputs[0])
	default:
		s.sendParts(c, st, outputs)
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
func (s *Service) outputs(c *gin.Context, p ogc.Process, st job.Status) ([]output, error) {
	r := st.Request
	var echo map[string]json.RawMessage
	if r.Workflow == param.Echo {
		var err error
		if echo, err = echoValues(st); err != nil {
			return nil, err
		}
	}
	var list []output
	for _, name := range p.Asked(r.Delivery) {
		o := output{name: name, mediaType: ogc.JSON}
		if file, ok := p.File(name, r); ok {
			o.file = file
			o.href = answer.Base(c) + "/jobs/" + r.ID + "/results/" + file
			if strings.HasSuffix(file, ".tif") {
				o.mediaType = ogc.GeoTIFF
				// Who names no output gets links to the maps: together they may be gigabytes.
				o.reference = r.Delivery == nil || len(r.Delivery.Outputs) == 0
			}
		} else if v, given := echo[name]; given {
			o.inline = v
		} else {
			continue // an input that was not given is not echoed
		}
		if r.Delivery != nil && o.file != "" {
			switch r.Delivery.Outputs[name].Mode {
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
		h[o.name] = ogc.Link{Href: o.href, Type: o.mediaType, Title: o.file}
	}
	return h
}

// sendDocument writes results.yaml, streaming values that are files.
func (s *Service) sendDocument(c *gin.Context, st job.Status, outputs []output) {
	c.Header("Content-Type", ogc.JSON)
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
			if err := s.writeValue(c, w, st, o); err != nil {
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
	s.broken(st, err)
}

// writeValue writes one output as it stands in a results document.
func (s *Service) writeValue(c *gin.Context, w io.Writer, st job.Status, o output) error {
	switch {
	case o.inline != nil:
		_, err := w.Write(o.inline)
		return err
	case o.reference:
		return json.NewEncoder(w).Encode(ogc.Link{Href: o.href, Type: o.mediaType, Title: o.file})
	case o.mediaType == ogc.JSON:
		return s.copyResult(c, w, st, o.file)
	}
	if _, err := fmt.Fprintf(w, `{"mediaType":%q,"encoding":"base64","value":"`, o.mediaType); err != nil {
		return err
	}
	e := base64.NewEncoder(base64.StdEncoding, w)
	if err := s.copyResult(c, e, st, o.file); err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	_, err := io.WriteString(w, `"}`)
	return err
}

func (s *Service) copyResult(c *gin.Context, w io.Writer, st job.Status, file string) error {
	r, err := s.Store.Bucket.NewReader(c.Request.Context(), job.ResultKey(st.Request.ID, file), nil)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	_, err = io.Copy(w, r)
	return err
}

// sendRaw answers with one output as it is.
func (s *Service) sendRaw(c *gin.Context, st job.Status, o output) {
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
		c.Data(http.StatusOK, ogc.JSON, o.inline)
	default:
		s.files.Serve(c, st.Request.ID, o.file)
	}
}

// sendParts answers with several outputs, one after the other (RFC 2387).
func (s *Service) sendParts(c *gin.Context, st job.Status, outputs []output) {
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
				err = s.copyResult(c, part, st, o.file)
			}
			if err != nil {
				return fmt.Errorf("output %s: %w", o.name, err)
			}
		}
		return m.Close()
	}()
	s.broken(st, err)
}

// broken ends an answer that has begun: only breaking the connection tells the client.
func (s *Service) broken(st job.Status, err error) {
	if err == nil {
		return
	}
	if !errors.Is(err, http.ErrAbortHandler) {
		s.Log.Error("sending results failed", "job", st.Request.ID, "error", err)
	}
	panic(http.ErrAbortHandler)
}
