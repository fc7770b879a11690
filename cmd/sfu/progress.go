package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"castcode/internal/logging"
	"castcode/loadtest"
)

// quietEvery is how many seconds of a load test stand between two lines where there is no terminal.
const quietEvery = 5

// progress shows how a load test goes: one line that changes on a terminal, a line now and then elsewhere.
type progress struct {
	out     io.Writer
	columns int // of the terminal; 0: none
	quiet   bool
	count   int
	width   int // of the line that is shown
}

func newProgress(out io.Writer, quiet bool) *progress {
	p := &progress{out: out, quiet: quiet}
	if f, ok := out.(*os.File); ok {
		p.columns, _ = logging.Terminal(f)
	}
	return p
}

// show is told once a second. It is called by one goroutine.
func (p *progress) show(s loadtest.Sample) {
	p.count++
	line := s.Line()
	switch {
	case p.quiet:
	case p.columns > 0:
		line = line[:min(len(line), p.columns-1)]
		_, _ = fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", max(p.width-len(line), 0)))
		p.width = len(line)
	case p.count%quietEvery == 1:
		_, _ = fmt.Fprintln(p.out, line)
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.width > 0 {
		_, _ = fmt.Fprintln(p.out)
	}
}
