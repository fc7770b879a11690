package main

import (
	"castcode/sfu"
	control "castcode/signal"
)

// plane is the engine as the Hub sees it: the same calls, with the Hub's own types.
type plane struct{ *sfu.Engine }

// Outline implements control.Media.
func (p plane) Outline(offer string) ([]control.MediaLine, error) {
	lines, err := p.Engine.Outline(offer)
	return convert(lines, func(l sfu.MediaLine) control.MediaLine { return control.MediaLine(l) }), err
}

// Prefer implements control.Media.
func (p plane) Prefer(peer, slot string, wish control.Wish) {
	p.Engine.Prefer(peer, slot, sfu.Wish(wish))
}

// Layers implements control.Media.
func (p plane) Layers(cast string) []control.Layer {
	return convert(p.Engine.Layers(cast), func(l sfu.Layer) control.Layer { return control.Layer(l) })
}

// Ingest implements control.Media.
func (p plane) Ingest(cast string) []control.Ingest {
	return convert(p.Engine.Ingest(cast), func(in sfu.Ingest) control.Ingest { return control.Ingest(in) })
}

// View implements control.Media.
func (p plane) View(peer string) (control.View, bool) {
	view, ok := p.Engine.View(peer)
	return control.View(view), ok
}

func convert[From, To any](from []From, one func(From) To) []To {
	to := make([]To, 0, len(from))
	for _, f := range from {
		to = append(to, one(f))
	}
	return to
}
