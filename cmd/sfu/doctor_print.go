package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"

	examination "castcode/internal/doctor"
	"castcode/web"
)

// words are the English texts of the pages: what the command says is what the page /doctor says.
type words map[string]string

func readWords() (words, error) {
	raw, err := fs.ReadFile(web.Files(), "lang/en.json")
	if err != nil {
		return nil, err
	}
	w := words{}
	return w, json.Unmarshal(raw, &w)
}

// say fills a text. What is no key is a text itself.
func (w words) say(p examination.Phrase) string {
	text, ok := w[p.Key]
	if !ok {
		text = p.Key
	}
	for name, value := range p.With {
		text = strings.ReplaceAll(text, "{"+name+"}", printable(value))
	}
	return text
}

// printable keeps what a server or a network has said from moving the cursor of a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// lines writes a finding for people: the state, the name and what was measured, below it what to do.
func (w words) lines(f examination.Finding) string {
	var b strings.Builder
	first := ""
	if len(f.Said) > 0 {
		first = w.say(f.Said[0])
	}
	fmt.Fprintf(&b, "%-14s %s: %s\n", w["doctor.state."+string(f.State)], w["doctor.name."+f.Check], first)
	for _, more := range f.Said[min(1, len(f.Said)):] {
		fmt.Fprintf(&b, "%-14s %s\n", "", w.say(more))
	}
	return b.String()
}

// figure is a finding in JSON.
type figure struct {
	Check   string   `json:"check"`
	State   string   `json:"state"` // ok, slow, blocked, none
	Name    string   `json:"name"`
	Text    []string `json:"text"`
	Address string   `json:"address,omitempty"`
	MS      float64  `json:"ms,omitempty"` // round trip
}

// print writes the findings, for people or as JSON.
func (d *doctor) print(out io.Writer, at *url.URL, list []examination.Finding) error {
	w, err := readWords()
	if err != nil {
		return err
	}
	if !d.JSON {
		for _, f := range list {
			if _, err := io.WriteString(out, w.lines(f)); err != nil {
				return err
			}
		}
		return nil
	}
	report := struct {
		URL    string   `json:"url"`
		Checks []figure `json:"checks"`
	}{URL: at.Scheme + "://" + at.Host}
	for _, f := range list {
		g := figure{
			Check: f.Check, State: string(f.State), Name: w["doctor.name."+f.Check], Address: f.Address,
			MS: float64(f.RoundTrip.Microseconds()) / 1000, Text: []string{},
		}
		for _, p := range f.Said {
			g.Text = append(g.Text, w.say(p))
		}
		report.Checks = append(report.Checks, g)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
