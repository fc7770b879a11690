package logging

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
)

const (
	// pion logs per bad packet, so whoever can send packets could fill a disk.
	pionBurst  = 5           // lines of one kind per window
	pionWindow = time.Minute //
	pionKinds  = 256         // kinds remembered; further ones share one budget
	pionLength = 200         // characters of a line

	// levelTrace is pion's Trace: network traces, below everything of ours.
	levelTrace = slog.LevelDebug - 4
)

// Pion is pion's logging.LoggerFactory over slog. Its lines are message "pion" with scope and text.
//
// Error is a warning here (what pion calls an error concerns one peer), Warn, Info and Debug are debug: pion warns
// whenever a peer leaves. At every level the text is stripped: a format's arguments stay only when they are numbers, durations or network
// addresses, since pion prints user names, ufrags and candidates among them; a ready text is cut where such a
// part could begin. At most five lines of one kind pass in a minute; the next one that passes says how many did
// not.
type Pion struct {
	// fixed
	log *slog.Logger
	now func() time.Time

	suppressed atomic.Uint64

	mu    sync.Mutex
	kinds map[string]*budget // guarded by mu
}

// budget counts the lines of one kind in a window.
type budget struct {
	since   time.Time
	lines   int
	dropped int
}

// NewPion returns a factory that writes to log.
func NewPion(log *slog.Logger) *Pion {
	return &Pion{log: log, now: time.Now, kinds: map[string]*budget{}}
}

// Suppressed counts lines that were over their budget since the start.
func (p *Pion) Suppressed() uint64 { return p.suppressed.Load() }

// NewLogger implements logging.LoggerFactory.
func (p *Pion) NewLogger(scope string) logging.LeveledLogger { return pionLogger{p, scope} }

// pass says whether a line of this kind may be written, and how many before it could not.
func (p *Pion) pass(kind string) (ok bool, dropped int) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.kinds[kind]
	if b == nil {
		if len(p.kinds) >= pionKinds {
			kind = "" // no format is empty
		}
		if b = p.kinds[kind]; b == nil {
			b = &budget{since: now}
			p.kinds[kind] = b
		}
	}
	if now.Sub(b.since) >= pionWindow {
		b.since, b.lines = now, 0
	}
	if b.lines >= pionBurst {
		b.dropped++
		p.suppressed.Add(1)
		return false, 0
	}
	b.lines++
	dropped, b.dropped = b.dropped, 0
	return true, dropped
}

// pionLogger is one scope.
type pionLogger struct {
	p     *Pion
	scope string
}

// write is the way of all methods. formatted tells a format (whose arguments follow) from a ready text.
func (l pionLogger) write(level slog.Level, formatted bool, text string, args []any) {
	ctx := context.Background()
	if !l.p.log.Enabled(ctx, level) {
		return
	}
	kind := text
	if !formatted {
		text = plain(text)
		kind = text
	}
	ok, dropped := l.p.pass(l.scope + "\x00" + kind)
	if !ok {
		return
	}
	if formatted {
		text = fmt.Sprintf(text, harmless(args)...)
	}
	if r := []rune(text); len(r) > pionLength {
		text = string(r[:pionLength])
	}
	attrs := []slog.Attr{slog.String("scope", l.scope), slog.String("text", text)}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("suppressed", dropped))
	}
	l.p.log.LogAttrs(ctx, level, "pion", attrs...)
}

// hidden prints as an ellipsis with every verb.
type hidden struct{}

func (hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("…")) }

// harmless replaces the arguments that could carry a secret.
func harmless(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case time.Duration, *net.UDPAddr, *net.TCPAddr, netip.Addr, netip.AddrPort:
			out[i] = a
		default:
			out[i] = hidden{}
			// Named numbers print by their String method, which knows states and types only.
			if k := reflect.ValueOf(a).Kind(); k >= reflect.Bool && k <= reflect.Float64 {
				out[i] = a
			}
		}
	}
	return out
}

// plain cuts a ready text at the first character behind which a value could stand.
func plain(text string) string {
	if i := strings.IndexAny(text, ":;=<>(){}[]\"'`/\\0123456789\r\n"); i >= 0 {
		text = strings.TrimSpace(text[:i]) + "…"
	}
	return text
}

func (l pionLogger) Trace(msg string)             { l.write(levelTrace, false, msg, nil) }
func (l pionLogger) Tracef(f string, args ...any) { l.write(levelTrace, true, f, args) }
func (l pionLogger) Debug(msg string)             { l.write(slog.LevelDebug, false, msg, nil) }
func (l pionLogger) Debugf(f string, args ...any) { l.write(slog.LevelDebug, true, f, args) }
func (l pionLogger) Info(msg string)              { l.write(slog.LevelDebug, false, msg, nil) }
func (l pionLogger) Infof(f string, args ...any)  { l.write(slog.LevelDebug, true, f, args) }
func (l pionLogger) Warn(msg string)              { l.write(slog.LevelDebug, false, msg, nil) }
func (l pionLogger) Warnf(f string, args ...any)  { l.write(slog.LevelDebug, true, f, args) }
func (l pionLogger) Error(msg string)             { l.write(slog.LevelWarn, false, msg, nil) }
func (l pionLogger) Errorf(f string, args ...any) { l.write(slog.LevelWarn, true, f, args) }
