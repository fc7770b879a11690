package loadtest

import (
	"testing"
	"time"
)

func TestSourceHasTheShapeItSays(t *testing.T) {
	start := time.Now()
	s := newSource(2_500_000, start)
	key := s.next(true, start)
	bytes, packets := 0, 0
	for i := range frameRate {
		for _, p := range s.next(false, start.Add(time.Duration(i)*time.Second/frameRate)) {
			bytes += len(p.Payload)
			packets++
		}
	}
	if rate := bytes * 8; rate < 2_400_000 || rate > 2_600_000 {
		t.Errorf("a second has %d bits", rate)
	}
	if n := len(key); n < packets/frameRate*keyFactor*8/10 || key[0].Payload[1] != 0 || !key[n-1].Marker {
		t.Errorf("keyframe of %d packets, ordinary frame %d", n, packets/frameRate)
	}
	for i, p := range key {
		if p.SequenceNumber != uint16(i) {
			t.Fatalf("packet %d has number %d", i, p.SequenceNumber)
		}
		if frame, sent, ok := stamp(p.Payload); !ok || frame != 0 || !sent.Equal(time.UnixMicro(start.UnixMicro())) {
			t.Fatalf("packet %d says frame %d, sent %v, %v", i, frame, sent, ok)
		}
	}
}

func TestViewerCountsLossAfterRepair(t *testing.T) {
	for _, start := range []uint16{0, 1, 100, 32766, 32767, 32768, 65530, 65533, 65534, 65535} {
		v := &viewer{seen: map[uint16]bool{}}
		for _, step := range []uint16{0, 1, 2, 5, 3, 3, 6, 0} { // 4 never comes, 3 comes late, 3 and 0 twice
			v.note(start+step, nil, time.Now())
		}
		if v.packets != 6 || v.lost != 1 {
			t.Errorf("start %d: %d packets, %d lost, want 6 and 1", start, v.packets, v.lost)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var d []time.Duration
	for i := range 100 {
		d = append(d, time.Duration(100-i))
	}
	if p50, p99 := percentiles(d); p50 != 51 || p99 != 100 {
		t.Errorf("p50 %d, p99 %d", p50, p99)
	}
	if p50, p99 := percentiles(nil); p50 != 0 || p99 != 0 {
		t.Errorf("of nothing: %d %d", p50, p99)
	}
}
