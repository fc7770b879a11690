package forward

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

var rewrite = flag.Bool("rewrite", false, "write what happens into testdata, instead of comparing")

// TestScenarios plays the transcripts in testdata. A line at the margin is a command, the indented ones after it are
// what came of it; "go test -run Scenarios -rewrite" writes them anew, to be reviewed as a diff. Numbers are counted
// from the first of their kind, so that a transcript is the same from every start; each is played from all of them.
//
//	target SOURCE [t=LAYER]                 what the viewer shall get
//	frame SOURCE [key] [t=LAYER] [sync] [n=PACKETS] [lose=I,J]   a picture comes in, 33 ms after the last
//	late SOURCE                             the oldest lost packet of the source comes after all
//	nack NUMBER...                          the viewer asks for outgoing numbers again; the round trip is 50 ms
//	idle MS                                 time passes
//	pli                                     the viewer asks for a keyframe
//	join SOURCE                             another viewer starts: replay or a request
//	behind SOURCE                           the viewer's cursor is checked for lag, as if it stood at the first packet
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var first []byte
			for _, start := range starts {
				got := play(t, want, start)
				if first == nil {
					first = got
				} else if !bytes.Equal(got, first) {
					t.Fatalf("from %d it goes otherwise than from %d:\n%s", start, starts[0], got)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, first, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(first, want) {
				t.Errorf("it went otherwise; -rewrite makes this the transcript:\n%s", first)
			}
		})
	}
}

// viewing is one viewer and the sources it may see.
type viewing struct {
	start   uint16
	now     int64
	sources map[uint32]*scenarioSource

	selector Selector
	rewriter Rewriter
	repair   Repair
	gate     Keyframe
	begun    bool
	first    Numbers
	picture  uint16
	out      strings.Builder
}

type scenarioSource struct {
	stream *stream
	ring   *packet.Ring
	first  uint64
	lost   []*packet.Packet
}

func play(t *testing.T, script []byte, start uint16) []byte {
	t.Helper()
	v := &viewing{start: start, sources: map[uint32]*scenarioSource{}, rewriter: NewRewriter(90000), now: 1000 * ms}
	for line := range strings.Lines(string(script)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		v.out.WriteString(line + "\n")
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			v.command(t, fields[0], fields[1:])
		}
	}
	return []byte(v.out.String())
}

func (v *viewing) say(format string, args ...any) { fmt.Fprintf(&v.out, "  "+format+"\n", args...) }

func (v *viewing) command(t *testing.T, name string, args []string) {
	t.Helper()
	var key, sync bool
	var numbers []int
	temporal, packets, lose := 0, 1, ""
	for _, a := range args {
		k, value, _ := strings.Cut(a, "=")
		switch k {
		case "key":
			key = true
		case "sync":
			sync = true
		case "t":
			temporal, _ = strconv.Atoi(value)
		case "n":
			packets, _ = strconv.Atoi(value)
		case "lose":
			lose = "," + value + ","
		default:
			n, err := strconv.Atoi(a)
			if err != nil {
				t.Fatalf("%s: what is %q?", name, a)
			}
			numbers = append(numbers, n)
		}
	}
	number := append(numbers, 0)[0]
	switch name {
	case "target":
		v.selector.SetTarget(Layer{Source: uint32(number), Temporal: uint8(temporal)})
	case "frame":
		v.frame(v.source(number), uint8(temporal), key, sync, packets, lose)
	case "late":
		v.late(v.source(number))
	case "nack":
		v.nack(numbers)
	case "idle":
		v.now += int64(number) * ms
		v.due()
	case "pli":
		v.ask()
	case "join":
		v.join(v.source(number))
	case "behind":
		v.behind(v.source(number))
	default:
		t.Fatalf("no command %q", name)
	}
}

func (v *viewing) source(n int) *scenarioSource {
	s := v.sources[uint32(n)]
	if s == nil {
		s = &scenarioSource{
			stream: newStream(uint32(n), v.start+uint16(n-1)*30011), ring: packet.NewRing(packet.VideoSlots),
		}
		v.sources[uint32(n)] = s
	}
	return s
}

func (v *viewing) frame(s *scenarioSource, temporal uint8, key, sync bool, packets int, lose string) {
	v.now += 33 * ms
	s.stream.now = v.now
	for i, p := range s.stream.frame(temporal, key, sync, packets) {
		if s.first == 0 {
			s.first = p.Seq
		}
		if strings.Contains(lose, ","+strconv.Itoa(i)+",") {
			s.lost = append(s.lost, p)
			v.say("%s is lost", s.name(p))
			continue
		}
		s.ring.Put(p)
		if p.Keyframe {
			v.gate.Arrived()
		}
		v.cursor(s, p)
	}
	v.due()
}

func (s *scenarioSource) name(p *packet.Packet) string {
	return fmt.Sprintf("%d.%d", p.Source, p.Seq-s.first)
}

// cursor is what a shard does with the next packet.
func (v *viewing) cursor(s *scenarioSource, p *packet.Packet) {
	verdict := v.selector.Select(p, v.now)
	if verdict.Drop != Forward {
		v.rewriter.Skip(p)
		v.say("%s dropped: %v", s.name(p), verdict.Drop)
		return
	}
	n, why := v.rewriter.Next(p, verdict.Top)
	v.sent(s, p, n, why)
}

func (v *viewing) sent(s *scenarioSource, p *packet.Packet, n Numbers, why Drop) {
	if why != Forward {
		v.say("%s refused: %v", s.name(p), why)
		return
	}
	info, ok := codec.Inspect(codec.VP8, n.Shift.AppendPayload(nil, p.Payload, &p.Traits, p.Picture), nil)
	if !v.begun {
		v.begun, v.first, v.picture = true, n, info.PictureID
	}
	v.repair.Media(len(p.Payload))
	mark := ""
	if n.Marker {
		mark = " end"
	}
	if p.Keyframe {
		mark += " keyframe"
	}
	if !ok {
		mark += " BROKEN"
	}
	v.say("%s -> %d, time %d, picture %d%s", s.name(p), int64(n.Seq-v.first.Seq), int32(n.TS-v.first.TS),
		(info.PictureID-v.picture)&0x7fff, mark)
}

func (v *viewing) late(s *scenarioSource) {
	if len(s.lost) == 0 {
		v.say("nothing was lost")
		return
	}
	p := s.lost[0]
	s.lost = s.lost[1:]
	if placed := s.ring.Put(p); placed != packet.Late {
		v.say("%s in the ring: %v", s.name(p), placed)
		return
	}
	n, why := v.rewriter.Late(p)
	v.sent(s, p, n, why)
}

func (v *viewing) nack(numbers []int) {
	for _, number := range numbers {
		found, ok := v.rewriter.Find(uint16(v.first.Seq) + uint16(number))
		if !ok {
			v.say("%d: not sent", number)
			continue
		}
		s := v.sources[found.Source]
		p := s.ring.Get(found.Seq)
		if p == nil {
			v.say("%d: left the ring", number)
			continue
		}
		age := time.Duration(v.now - p.Arrival)
		answer := v.repair.Ask(found.Out(), len(p.Payload), age, 50*time.Millisecond, v.now)
		v.say("%d: %s, %v", number, s.name(p), answer)
	}
}

func (v *viewing) clock() time.Time { return time.Unix(0, v.now) }

func (v *viewing) ask() {
	if v.gate.Want(v.clock()) {
		v.say("the caster is asked for a keyframe")
	} else {
		v.say("waits at the gate")
	}
}

func (v *viewing) due() {
	if v.gate.Due(v.clock()) {
		v.say("the caster is asked for a keyframe")
	}
}

func (v *viewing) join(s *scenarioSource) {
	start := NewStart(DefaultStart, 0)
	switch action, plan := start.Step(s.ring, v.now); action {
	case StartReplay:
		v.say("replay from %d.%d, %d packets, %v old", 1, plan.From-s.first, plan.Packets, plan.Age.Round(time.Millisecond))
	case StartAsk:
		_, why := PlanReplay(s.ring, DefaultStart, v.now)
		v.say("no replay: %v", why)
		v.ask()
	}
}

func (v *viewing) behind(s *scenarioSource) {
	switch to, lag := CheckLag(s.ring, s.first, 0); lag {
	case InTime:
		v.say("in time")
	case LagJump:
		v.rewriter.Jump()
		v.selector.Restart()
		v.say("leaps to %d", to-s.first)
		for seq := to; seq <= s.ring.Newest(); seq++ {
			v.cursor(s, s.ring.Get(seq))
		}
	case LagWants:
		v.ask()
	}
}
