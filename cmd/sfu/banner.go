package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"rsc.io/qr"

	"castcode/internal/logging"
)

// Banner is what a person reads at the start: where to go, whether to trust it, what to beware of. It fits on a
// terminal of 80 columns and 24 lines, unless there are many warnings.
type Banner struct {
	Version string
	// URLs are base addresses such as https://192.168.1.5:8443, the preferred one first. Never empty.
	URLs []string
	// Display is the base address for displays, where it is not the first of URLs.
	Display string
	// Certificate is one sentence about where it comes from.
	Certificate string
	// Fingerprint of the own CA, and Trust, the page that explains how to install it; empty in other modes.
	Fingerprint, Trust string
	// Media is one sentence about where media is offered; empty: not said.
	Media string
	// TURN is one sentence about the TURN server.
	TURN string
	// Admin is the address of the admin listener; empty without one.
	Admin string
	// Warnings are those of Config and of the start.
	Warnings []string
	// Columns of the terminal. 0: not a terminal that shows colours; then there are neither colours nor QR code
	// and no line is wrapped, which is what a service's log wants.
	Columns int
}

const (
	maxURLs     = 4  // further addresses than these are only counted
	bannerQuiet = 4  // modules of margin around a QR code (ISO/IEC 18004 section 6.3.8)
	bannerGap   = 2  // columns between text and QR code
	minText     = 44 // columns of text that a QR code beside it leaves, at least
	qrColours   = "\x1b[38;5;16;48;5;231m"
	noColours   = "\x1b[0m"
)

// String lays the banner out. It depends on nothing but its fields.
func (b Banner) String() string {
	code := b.code()
	width := b.Columns
	var out []string
	top := b.top()
	switch {
	case code == nil:
		out = append(wrapAll(top, width), "")
	case width >= minText+bannerGap+codeWidth(code):
		text := width - bannerGap - codeWidth(code)
		out = beside(wrapAll(top, text), code, text+bannerGap)
	default:
		out = append(append(wrapAll(top, width), ""), code...)
	}
	out = append(out, wrapAll(b.bottom(), width)...)
	return strings.Join(out, "\n") + "\n"
}

// top is the part that stands beside the QR code.
func (b Banner) top() []string {
	lines := []string{
		strings.TrimSpace("castcode " + b.Version),
		"",
		"Open this on the screen:",
		"  " + cmp.Or(b.Display, b.URLs[0]) + "/d",
		"Type its code on a laptop:",
		"  " + b.URLs[0],
	}
	if len(b.URLs) > 1 {
		lines = append(lines, "", "Also at:")
		for _, u := range b.URLs[1:min(len(b.URLs), maxURLs)] {
			lines = append(lines, "  "+u)
		}
		if more := len(b.URLs) - maxURLs; more > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more", more))
		}
	}
	return lines
}

// bottom is the part below.
func (b Banner) bottom() []string {
	lines := []string{"Certificate: " + b.Certificate}
	if b.Trust != "" {
		lines = append(lines, "  To trust it, once on each laptop: "+b.Trust)
	}
	if b.Fingerprint != "" {
		lines = append(lines, fingerprintLines(b.Fingerprint, b.Columns)...)
	}
	if b.Media != "" {
		lines = append(lines, "Media: "+b.Media+" Blocked? Try sfu doctor.")
	}
	if b.TURN != "" {
		lines = append(lines, "TURN: "+b.TURN)
	}
	if b.Admin != "" {
		lines = append(lines, "Admin: "+b.Admin)
	}
	for _, w := range b.Warnings {
		lines = append(lines, "! "+w)
	}
	return lines
}

// fingerprintLines breaks the fingerprint between pairs, into equal parts that can be compared one by one.
func fingerprintLines(fingerprint string, columns int) []string {
	const label = "  SHA-256 "
	pairs := strings.Split(fingerprint, ":")
	part := len(pairs)
	for columns > 0 && part > 4 && len(label)+3*part > columns {
		part = (part + 1) / 2
	}
	var lines []string
	for len(pairs) > part {
		lines = append(lines, strings.Join(pairs[:part], ":")+":")
		pairs = pairs[part:]
	}
	lines = append(lines, strings.Join(pairs, ":"))
	for i, line := range lines {
		lines[i] = strings.Repeat(" ", len(label)) + line
	}
	lines[0] = label + strings.TrimSpace(lines[0])
	return lines
}

// code draws the preferred address, two rows of modules in a line of text, black on white by colours of its own
// so that it reads the same on dark and light terminals. nil when there is no room or no terminal.
func (b Banner) code() []string {
	if b.Columns == 0 {
		return nil
	}
	code, err := qr.Encode(b.URLs[0], qr.L)
	if err != nil || code.Size+2*bannerQuiet > b.Columns {
		return nil
	}
	var lines []string
	for y := -bannerQuiet; y < code.Size+bannerQuiet; y += 2 {
		var line strings.Builder
		line.WriteString(qrColours)
		for x := -bannerQuiet; x < code.Size+bannerQuiet; x++ {
			// Outside the code Black is false, which makes the margin. The height is odd: the last line's
			// lower half is margin too.
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				line.WriteRune('█')
			case upper:
				line.WriteRune('▀')
			case lower:
				line.WriteRune('▄')
			default:
				line.WriteByte(' ')
			}
		}
		line.WriteString(noColours)
		lines = append(lines, line.String())
	}
	return lines
}

// codeWidth is the number of columns a drawn code takes.
func codeWidth(code []string) int {
	return utf8.RuneCountInString(code[0]) - len(qrColours) - len(noColours)
}

// beside puts the code at column, to the right of the text.
func beside(text, code []string, column int) []string {
	var out []string
	for i := range max(len(text), len(code)) {
		line := ""
		if i < len(text) {
			line = text[i]
		}
		if i < len(code) {
			line += strings.Repeat(" ", column-utf8.RuneCountInString(line)) + code[i]
		}
		out = append(out, line)
	}
	return out
}

// wrapAll breaks long lines at blanks; continuations are indented by two more. Words longer than a line stay
// whole, because an address that is broken cannot be copied. Width 0 breaks nothing.
func wrapAll(lines []string, width int) []string {
	var out []string
	for _, line := range lines {
		if width == 0 || utf8.RuneCountInString(line) <= width {
			out = append(out, line)
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		current, empty := indent, true
		for _, word := range strings.Fields(line) {
			if !empty && utf8.RuneCountInString(current+" "+word) > width {
				out = append(out, current)
				current, empty = indent+"  ", true
			}
			if !empty {
				current += " "
			}
			current, empty = current+word, false
		}
		out = append(out, current)
	}
	return out
}

// stdoutColumns is what Banner.Columns takes for f: 0 when it is not a terminal or one without colours
// (TERM=dumb).
func stdoutColumns(f *os.File, env func(string) (string, bool)) int {
	if term, _ := env("TERM"); term == "dumb" {
		return 0
	}
	columns, _ := logging.Terminal(f)
	return columns
}
