package forward

import (
	"math/rand/v2"
	"testing"

	"castcode/sfu/codec"
	"castcode/sfu/packet"
)

const ms = int64(1e6)

// stream makes the packets of one source for the tests: pictures of a few packets, 33 ms apart.
type stream struct {
	parser *packet.Parser
	seq    uint16
	ts     uint32
	now    int64
	pic    uint16
	tl0    uint8
	key    uint8
}

func newStream(source uint32, start uint16) *stream {
	return &stream{parser: packet.NewParser(source, codec.VP8), seq: start, ts: uint32(start) << 16, pic: start & 0x7fff}
}

// frame returns the packets of the next picture.
func (s *stream) frame(temporal uint8, keyframe, sync bool, packets int) []*packet.Packet {
	if temporal == 0 {
		s.tl0++
	}
	if keyframe {
		s.key = (s.key + 1) & 0x1f
	}
	var frame []*packet.Packet
	for i := range packets {
		first, inter, layers := byte(0), byte(1), temporal<<6|s.key
		if i == 0 {
			first = 0x10
		}
		if keyframe {
			inter = 0
		}
		if sync {
			layers |= 0x20
		}
		p, _, ok := s.parser.Parse(&packet.Incoming{
			Seq: s.seq, TS: s.ts, Marker: i == packets-1, Arrival: s.now + int64(i)*ms/10,
			Payload: []byte{0x80 | first, 0xf0, 0x80 | byte(s.pic>>8), byte(s.pic), s.tl0, layers, inter, byte(i)},
		})
		if !ok {
			panic("the test's own payload is refused")
		}
		s.seq++
		frame = append(frame, p)
	}
	s.ts += 3000
	s.now += 33 * ms
	s.pic = (s.pic + 1) & 0x7fff
	return frame
}

// sentAs remembers what left under a number.
type sentAs struct {
	p *packet.Packet
	n Numbers
}

// A long life of one viewer, at random: losses, late packets, packets kept back, new sources, leaps, blanks. No number
// is given twice, a number always means the same bytes, and what follows directly follows directly.
func TestRewriterModel(t *testing.T) {
	for i, start := range starts {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		r := NewRewriter(90000)
		source := uint32(1)
		s := newStream(source, start)
		given := map[uint64]sentAs{}
		var late []*packet.Packet
		var newest uint64
		var lastTS uint32

		give := func(p *packet.Packet, n Numbers, why Drop) {
			if why != Forward {
				return
			}
			if old, twice := given[n.Seq]; twice {
				t.Fatalf("start %d: number %d for packets %v and %v", start, n.Seq, old.p, p)
			}
			if newest != 0 && int32(n.TS-lastTS) < 0 && n.Seq > newest {
				t.Fatalf("start %d: timestamp goes back by %d", start, lastTS-n.TS)
			}
			if n.Seq > newest {
				newest, lastTS = n.Seq, n.TS
			}
			given[n.Seq] = sentAs{p, n}
		}
		for range 4000 {
			switch rng.IntN(60) {
			case 0:
				source++
				now := s.now
				s = newStream(source, starts[rng.IntN(len(starts))])
				s.now = now + int64(rng.IntN(3000))*ms
			case 1:
				r.Jump()
			case 2:
				if n, ok := r.Blank(); ok {
					give(nil, n, Forward)
				}
			}
			back := rng.IntN(3) == 0
			for _, p := range s.frame(0, rng.IntN(30) == 0, false, 1+rng.IntN(12)) {
				switch {
				case rng.IntN(20) == 0:
					late = append(late, p)
				case back:
					r.Skip(p)
				default:
					n, why := r.Next(p, 0)
					if why != Forward {
						t.Fatalf("start %d: a packet at the cursor is refused: %v", start, why)
					}
					give(p, n, why)
				}
			}
			if len(late) > 0 && rng.IntN(2) == 0 {
				p := late[0]
				late = late[1:]
				n, why := r.Late(p)
				give(p, n, why)
				if _, again := r.Late(p); again == Forward {
					t.Fatalf("start %d: a late packet passes twice", start)
				}
			}
			checkFind(t, &r, given, newest)
		}
		if newest-uint64(start&0x7fff) < 10_000 {
			t.Fatalf("start %d: the model sent only %d packets", start, newest)
		}
	}
}

// checkFind asks for some of the newest numbers as a NACK would.
func checkFind(t *testing.T, r *Rewriter, given map[uint64]sentAs, newest uint64) {
	t.Helper()
	for back := uint64(0); back < 40; back += 7 {
		out := newest - back
		was, sent := given[out]
		found, ok := r.Find(uint16(out))
		switch {
		case ok != sent && newest != 0:
			t.Fatalf("number %d: found %v, sent %v", out, ok, sent)
		case !ok:
		case found.Out() != out:
			t.Fatalf("number %d is found as %d", out, found.Out())
		case was.p == nil:
			if found.Source != 0 || found.Blank() != was.n {
				t.Fatalf("blank %d is found as %+v", out, found)
			}
		case found.Source != was.p.Source || found.Seq != was.p.Seq || found.Numbers(was.p) != was.n:
			t.Fatalf("number %d: %+v was sent, %+v is found", out, was.n, found.Numbers(was.p))
		}
	}
}

func TestRewriterContinuesPictureIDs(t *testing.T) {
	for _, start := range starts {
		for _, next := range starts[:8] {
			r := NewRewriter(90000)
			a, b := newStream(1, start), newStream(2, next)
			a.frame(0, true, false, 1)
			var n Numbers
			var p *packet.Packet
			for range 5 {
				p = a.frame(0, false, false, 1)[0]
				n, _ = r.Next(p, 0)
			}
			picture, tl0, key := p.Picture+n.Shift.Picture, p.TL0+n.Shift.TL0, p.KeyIndex+n.Shift.KeyIndex
			q := b.frame(0, true, false, 1)[0]
			m, _ := r.Next(q, 0)
			out := m.Shift.AppendPayload(nil, q.Payload, &q.Traits, q.Picture)
			info, ok := codec.Inspect(codec.VP8, out, nil)
			if !ok || info.PictureID != (picture+1)&0x7fff || info.TL0 != tl0+1 || info.KeyIndex != (key+1)&0x1f {
				t.Fatalf("start %d, next %d: %d %d %d are followed by %+v", start, next, picture, tl0, key, info)
			}
			if m.Seq != n.Seq+1 {
				t.Fatalf("start %d, next %d: number %d after %d", start, next, m.Seq, n.Seq)
			}
		}
	}
}

func TestRewriterUsesCaptureTimes(t *testing.T) {
	r := NewRewriter(48000)
	first := &packet.Packet{Source: 1, Seq: 1 << 20, TS: 1 << 32, Arrival: 1000 * ms, Captured: 900 * ms}
	n, _ := r.Next(first, noLayer)
	m, _ := r.Next(&packet.Packet{Source: 2, Seq: 1 << 21, TS: 1 << 33, Arrival: 1500 * ms, Captured: 1000 * ms}, noLayer)
	if got := m.TS - n.TS; got != 4800 {
		t.Errorf("100 ms of capture are %d ticks, want 4800", got)
	}
	k, _ := r.Next(&packet.Packet{Source: 3, Seq: 1 << 21, TS: 1 << 34, Arrival: 1600 * ms}, noLayer)
	if got := k.TS - m.TS; got != 4800 {
		t.Errorf("100 ms of arrival are %d ticks, want 4800", got)
	}
	l, _ := r.Next(&packet.Packet{Source: 4, Seq: 1 << 21, TS: 1 << 34, Arrival: 100 * ms}, noLayer)
	if got := l.TS - k.TS; got != 1 {
		t.Errorf("a source that came earlier is %d ticks later, want 1", got)
	}
}

// After a restart the sound's first report comes seconds later than the picture's. Until then arrival stands in;
// afterwards both are where their capture times have them, and no timestamp has gone backwards.
func TestSoundAndPictureKeepTheirRelationOverARestart(t *testing.T) {
	for _, start := range starts {
		for _, late := range []int64{-30, 0, 30, 90} { // ms by which the first packet was slower than usual
			for _, clock := range []uint32{90000, 48000} {
				r := NewRewriter(clock)
				kind, step := codec.VP8, int64(33)
				if clock == 48000 {
					kind, step = codec.Opus, 20
				}
				tick := func(ms int64) uint64 { return uint64(ms * int64(clock) / 1000) }
				packetAt := func(source uint32, i int64, captured, delay int64) *packet.Packet {
					p := &packet.Packet{
						Source: source, Codec: kind, Seq: 1<<20 + uint64(start) + uint64(i), Marker: true,
						TS: 1<<32 + uint64(source)<<20 + tick(captured), Arrival: (captured + 20 + delay) * ms,
					}
					p.FrameStart, p.FrameEnd = true, true
					return p
				}
				var first, last Numbers
				var begun int64
				send := func(p *packet.Packet, captured int64, known bool) {
					if known {
						p.Captured = captured * ms
					}
					n, why := r.Next(p, noLayer)
					if why != Forward || begun != 0 && int32(n.TS-last.TS) <= 0 {
						t.Fatalf("start %d: %v, timestamp %d after %d", start, why, n.TS, last.TS)
					}
					if begun == 0 {
						first, begun = n, captured
					}
					last = n
				}
				at := int64(1000)
				for i := range int64(10) {
					at += step
					send(packetAt(1, i, at, 0), at, true)
				}
				at += 3000
				for i := range int64(100) {
					at += step
					delay := int64(0)
					if i == 0 {
						delay = late
					}
					send(packetAt(2, i, at, delay), at, i >= 40)
				}
				off := int64(int32(last.TS-first.TS)) - int64(tick(at-begun))
				if most := int64(clock) / 50; off > most || off < -most {
					t.Errorf("start %d, clock %d, first packet %d ms late: off by %d ticks", start, clock, late, off)
				}
			}
		}
	}
}

func TestRollFollowsTheWrap(t *testing.T) {
	for _, start := range starts {
		r := NewRewriter(90000)
		p := newStream(1, start).frame(0, false, false, 1)[0]
		var first, last Numbers
		for i := range 140_000 {
			p.Seq++
			n, _ := r.Next(p, 0)
			if i == 0 {
				first = n
			}
			if uint16(n.Seq) < uint16(last.Seq) && n.Roll != last.Roll+1 {
				t.Fatalf("start %d: the number wraps and the rollover counter goes from %d to %d", start, last.Roll, n.Roll)
			}
			last = n
		}
		if first.Roll != 0 || uint16(first.Seq) > 0x7fff || last.Roll != 2 {
			t.Errorf("start %d: begins with %d, rollover %d to %d", start, uint16(first.Seq), first.Roll, last.Roll)
		}
	}
}

func TestDroppedTemporalLayersLeaveNoGap(t *testing.T) {
	for _, start := range starts {
		r := NewRewriter(90000)
		s := newStream(1, start)
		var lastSeq uint64
		var lastPicture uint16
		for i := range 2000 {
			for _, p := range s.frame(uint8(i%2), i == 0, false, 3) {
				if p.Temporal > 0 {
					r.Skip(p)
					continue
				}
				n, _ := r.Next(p, 0)
				picture := (p.Picture + n.Shift.Picture) & 0x7fff
				if lastSeq != 0 && (n.Seq != lastSeq+1 || p.FrameStart && picture != (lastPicture+1)&0x7fff) {
					t.Fatalf("start %d, frame %d: number %d after %d, picture %d after %d", start, i, n.Seq, lastSeq,
						picture, lastPicture)
				}
				lastSeq, lastPicture = n.Seq, picture
			}
		}
		if got := len(r.history.runs); got > maxRuns {
			t.Errorf("start %d: %d runs", start, got)
		}
	}
}

func TestForwardingAllocatesNothing(t *testing.T) {
	ring := packet.NewRing(packet.VideoSlots)
	s := newStream(1, 65000)
	for i := range 1000 {
		for _, p := range s.frame(uint8(i%2), i == 0, i%8 == 1, 2) {
			ring.Put(p)
		}
	}
	for name, temporal := range map[string]uint8{"all": 1, "half dropped": 0} {
		var sel Selector
		sel.SetTarget(Layer{Source: 1, Temporal: temporal})
		r := NewRewriter(90000)
		var pacer Pacer
		var repair Repair
		var tail Tail
		from, _ := ring.Keyframe()
		cursor, out, now := from, make([]byte, 0, 1500), int64(0)
		step := func() {
			p := ring.Get(cursor)
			cursor++
			now += ms
			v := sel.Select(p, now)
			if v.Drop != Forward {
				r.Skip(p)
				return
			}
			n, why := r.Next(p, v.Top)
			q := [Classes]Queue{Video: {Size: len(p.Payload), Bytes: len(p.Payload), Oldest: now}}
			if _, ok := pacer.Next(&q, now); !ok || why != Forward {
				t.Fatalf("not sent: %v", why)
			}
			out = n.Shift.AppendPayload(out[:0], p.Payload, &p.Traits, p.Picture)
			pacer.Take(len(out))
			repair.Media(len(out))
			tail.Sent(now)
		}
		for range 500 {
			step() // until the history has its full size
		}
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%s: %v allocations a packet, want 0", name, n)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		name     string
		temporal uint8
	}{{"all", 1}, {"half", 0}} {
		b.Run(c.name, func(b *testing.B) {
			ring := packet.NewRing(packet.VideoSlots)
			s := newStream(1, 0)
			for i := range 700 {
				for _, p := range s.frame(uint8(i%2), i == 0, i%8 == 1, 10) {
					ring.Put(p)
				}
			}
			from, _ := ring.Keyframe()
			var sel Selector
			sel.SetTarget(Layer{Source: 1, Temporal: c.temporal})
			r := NewRewriter(90000)
			cursor, now := from, int64(0)
			for b.Loop() {
				if cursor > ring.Newest() {
					cursor = from // once more, as packets that were not seen before
					r.Jump()
					r.passed = 0
				}
				p := ring.Get(cursor)
				cursor++
				now += 100_000
				if v := sel.Select(p, now); v.Drop != Forward {
					r.Skip(p)
				} else if _, why := r.Next(p, v.Top); why != Forward {
					b.Fatal(why)
				}
			}
		})
	}
}

func BenchmarkPacer(b *testing.B) {
	var p Pacer
	now := int64(0)
	for b.Loop() {
		now += 10_000_000
		q := [Classes]Queue{Video: {Size: 1200, Bytes: 1200, Oldest: now}}
		if _, ok := p.Next(&q, now); ok {
			p.Take(1200)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	r := NewRewriter(90000)
	s := newStream(1, 0)
	for i := range 200 {
		for _, p := range s.frame(uint8(i%2), i == 0, false, 3) {
			if p.Temporal > 0 {
				r.Skip(p)
			} else {
				r.Next(p, 0)
			}
		}
	}
	seq := uint16(r.Newest()) - 150
	for b.Loop() {
		if _, ok := r.Find(seq); !ok {
			b.Fatal("forgotten")
		}
	}
}
