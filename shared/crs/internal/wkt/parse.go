// Package wkt reads the syntax of well-known text.
package wkt

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Node is a keyword of well-known text with its arguments: quoted texts, numbers and words as they stand, and nodes.
type Node struct {
	Keyword string
	Texts   []string
	Nodes   []*Node
}

const (
	maxText  = 64 << 10
	maxNodes = 1000
	maxDepth = 12
)

var errText = errors.New("the text is no well-formed WKT")

// Parse reads the first object of well-known text; what follows it is left alone.
func Parse(text string) (*Node, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%d bytes of text: at most %d", len(text), maxText)
	}
	p := &parser{text: text}
	return p.object(0)
}

type parser struct {
	text  string
	at    int
	nodes int
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// word reads what a keyword, a number or an axis direction is made of.
func (p *parser) word() string {
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.+-", c) >= 0 {
			p.at++
			continue
		}
		break
	}
	return p.text[from:p.at]
}

func (p *parser) object(depth int) (*Node, error) {
	p.space()
	n := &Node{Keyword: strings.ToUpper(p.word())}
	if p.nodes++; n.Keyword == "" || depth > maxDepth || p.nodes > maxNodes {
		return nil, errText
	}
	return n, p.arguments(n, depth)
}

func (p *parser) arguments(n *Node, depth int) error {
	p.space()
	if p.at >= len(p.text) || p.text[p.at] != '[' && p.text[p.at] != '(' {
		return errText
	}
	for {
		p.at++ // a bracket or a comma
		p.space()
		if p.at >= len(p.text) {
			return errText
		}
		if err := p.argument(n, depth); err != nil {
			return err
		}
		p.space()
		if p.at >= len(p.text) {
			return errText
		}
		switch p.text[p.at] {
		case ',':
		case ']', ')':
			p.at++
			return nil
		default:
			return errText
		}
	}
}

func (p *parser) argument(n *Node, depth int) error {
	if p.text[p.at] == '"' {
		end := strings.IndexByte(p.text[p.at+1:], '"')
		if end < 0 {
			return errText
		}
		n.Texts = append(n.Texts, p.text[p.at+1:p.at+1+end])
		p.at += end + 2
		return nil
	}
	from := p.at
	w := p.word()
	p.space()
	if w != "" && p.at < len(p.text) && (p.text[p.at] == '[' || p.text[p.at] == '(') {
		p.at = from
		child, err := p.object(depth + 1)
		if err != nil {
			return err
		}
		n.Nodes = append(n.Nodes, child)
		return nil
	}
	if w == "" {
		return errText
	}
	n.Texts = append(n.Texts, w)
	return nil
}

// Child returns the first node of one of some keywords, nil if there is none or n is nil.
func (n *Node) Child(keywords ...string) *Node {
	if n == nil {
		return nil
	}
	for _, keyword := range keywords {
		for _, c := range n.Nodes {
			if c.Keyword == keyword {
				return c
			}
		}
	}
	return nil
}

// Text returns the text with an index, empty if there is none or n is nil.
func (n *Node) Text(i int) string {
	if n == nil || i >= len(n.Texts) {
		return ""
	}
	return n.Texts[i]
}

// Number returns the text with an index as a number, NaN if it is none.
func (n *Node) Number(i int) float64 {
	v, err := strconv.ParseFloat(n.Text(i), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// Authority returns the code which a node states, of the EPSG dataset or of Esri.
func (n *Node) Authority() (name string, code int) {
	a := n.Child("AUTHORITY")
	code, _ = strconv.Atoi(a.Text(1))
	return strings.ToUpper(a.Text(0)), code
}
