//go:build linux

package main

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

var starts = []uint16{0, 1, 2, 100, 16383, 16384, 32766, 32767, 32768, 32769, 49152, 65000, 65530, 65533, 65534, 65535}

// TestBook: gaps are asked for at once and again, by whichever way they are filled, and given up in the end.
func TestBook(t *testing.T) {
	for _, s := range starts {
		var b book
		at := time.Unix(100, 0)
		if ask := b.came(s, at); ask != nil {
			t.Errorf("start %d: asked for %v", s, ask)
		}
		if ask := b.came(s+4, at); !slices.Equal(ask, []uint16{s + 1, s + 2, s + 3}) {
			t.Errorf("start %d: asked for %v", s, ask)
		}
		b.came(s+2, at.Add(askAgain/2))
		if ask, _ := b.due(at.Add(askAgain - 1)); ask != nil {
			t.Errorf("start %d: asked too soon for %v", s, ask)
		}
		if ask, key := b.due(at.Add(askAgain)); key || !slices.Equal(ask, []uint16{s + 1, s + 3}) {
			t.Errorf("start %d: asked again for %v, %v", s, ask, key)
		}
		b.resent(s+1, at.Add(askAgain))
		b.resent(s+1, at.Add(askAgain))
		if ask, key := b.due(at.Add(giveUp)); !key || ask != nil {
			t.Errorf("start %d: after all that %v, %v", s, ask, key)
		}
		want := Repairs{Came: 3, Late: 1, Resent: 1, Over: 1, GivenUp: 1, Slowest: askAgain}
		if b.Repairs != want {
			t.Errorf("start %d: %+v", s, b.Repairs)
		}
	}
}

// TestLook: a key frame counts when nothing of it is missing, and a picture is live when nothing before it is missing.
func TestLook(t *testing.T) {
	for _, s := range starts {
		var l look
		base := time.Unix(100, 0)
		give := func(n uint16, first, key, last bool, stamp, at time.Duration) {
			p := make([]byte, bodyAt+1)
			describe(p, first, key, 0)
			binary.BigEndian.PutUint64(p[stampAt:], uint64(base.Add(stamp).UnixNano()))
			l.take(&rtp.Packet{Header: rtp.Header{SequenceNumber: s + n, Marker: last}, Payload: p}, base.Add(at))
		}
		const old = time.Second
		give(0, true, false, true, 0, old) // no key frame
		give(1, true, true, false, 0, old)
		give(3, false, true, true, 0, old+2)
		if !l.Whole.IsZero() {
			t.Errorf("start %d: whole with a hole", s)
		}
		give(2, false, true, false, 0, old+3)
		if !l.Whole.Equal(base.Add(old+3)) || !l.Live.IsZero() {
			t.Errorf("start %d: whole at %v, live at %v", s, l.Whole, l.Live)
		}
		give(5, true, false, true, old, old+4)
		l.take(&rtp.Packet{Header: rtp.Header{SequenceNumber: s + 6}}, base.Add(old+4)) // blank
		if !l.Live.IsZero() {
			t.Errorf("start %d: live with a hole", s)
		}
		give(4, true, false, true, 0, old+5)
		if !l.Live.Equal(base.Add(old + 5)) {
			t.Errorf("start %d: live at %v", s, l.Live)
		}

		l.Live = time.Time{}
		give(8, true, false, true, old, old+6) // 7 is missing
		give(9, true, true, false, old, old+6)
		give(11, true, false, true, old, old+6)
		if !l.Live.IsZero() || l.Holes != 0 {
			t.Errorf("start %d: live at half a key frame", s)
		}
		give(10, false, true, true, old, old+7)
		if !l.Live.Equal(base.Add(old+7)) || l.Holes != 1 || len(l.keys) != 0 || l.next != s+12 {
			t.Errorf("start %d: live at %v, %d holes", s, l.Live, l.Holes)
		}
	}
}

// TestIsRTP: only media is lost.
func TestIsRTP(t *testing.T) {
	for _, c := range []struct {
		first, second byte
		size          int
		want          bool
	}{
		{128, 96, 12, true},
		{191, 224, 20, true},
		{144, 255, 12, true},
		{128, 191, 12, true},
		{128, 192, 12, false},
		{128, 223, 12, false},
		{127, 96, 12, false},
		{192, 96, 12, false},
		{22, 254, 60, false},
		{128, 96, 11, false},
	} {
		b := make([]byte, c.size)
		b[0], b[1] = c.first, c.second
		if isRTP(b) != c.want {
			t.Errorf("%d %d of %d bytes: %v", c.first, c.second, c.size, !c.want)
		}
	}
}
