package answer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/cyverse-gis/eemt/functions/submission/problem"
)

// Limit reads the number of items that a client wants on a page. More than
// most means most, as the standard has it.
func Limit(c *gin.Context, usual, most int) (int, error) {
	text, given := c.GetQuery("limit")
	if !given {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		allowed := fmt.Sprintf("1 to %d", most)
		return 0, problem.Bad("limit", text, allowed, fmt.Sprintf("limit %q: must be %s", text, allowed))
	}
	return min(n, most), nil
}

// Known refuses query parameters that the API does not have: a filter that is
// misspelt must not look like one that matched.
func Known(c *gin.Context, names ...string) error {
	for name := range c.Request.URL.Query() {
		if name != "f" && !slices.Contains(names, name) {
			return problem.Bad(name, c.Query(name), fmt.Sprint(names), fmt.Sprintf("query parameter %q is not known here", name))
		}
	}
	return nil
}

// WithQuery is the address of the request with one query parameter changed.
func WithQuery(base string, c *gin.Context, name, value string) string {
	q := c.Request.URL.Query()
	q.Set(name, value)
	return base + c.Request.URL.Path + "?" + q.Encode()
}

// List splits the values of a query parameter that takes several, separated by commas or repeated.
func List(q url.Values, name string) []string {
	var list []string
	for _, text := range q[name] {
		for _, v := range strings.Split(text, ",") {
			if v != "" {
				list = append(list, v)
			}
		}
	}
	return list
}

// SmallBody bounds the bodies of requests that hold no file, and each value of a form, in bytes.
const SmallBody = 64 << 10

// Body decodes a JSON object of a small body; no body leaves v as it is.
func Body(c *gin.Context, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(c.Writer, c.Request.Body, SmallBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil && d.More():
		err = errors.New("it continues after the JSON object")
	}
	var long *http.MaxBytesError
	if err != nil && !errors.As(err, &long) {
		err = problem.Bad("", "", "", fmt.Sprintf("the body: %v", err))
	}
	return err
}
