package track

import (
	"time"

	"github.com/pion/rtcp"
)

// reports keeps what receiver reports say (RFC 3550 section 6.4.1 and appendix A.3, A.8).
type reports struct {
	first    int64 // number
	top      int64 // one after the newest
	received uint64
	began    time.Time
	transit  int64
	jitter   int64 // times 16

	expected, got uint64 // at the last report
	middle        uint32 // of the newest sender report's NTP time
	heard         time.Time
}

// take books a packet that came under its own number.
func (r *reports) take(p Packet, n int64, clock int, now time.Time) {
	r.received++
	if n < r.top {
		return
	}
	r.top = n + 1
	if r.began.IsZero() {
		r.began = now
	}
	// Arrival in the stream's clock, modulo 2^32 as timestamps are.
	arrival := uint32(int64(now.Sub(r.began)) * int64(clock) / int64(time.Second))
	transit := int64(int32(arrival - p.Time))
	if r.received > 1 {
		d := int64(int32(transit - r.transit))
		if d < 0 {
			d = -d
		}
		r.jitter += d - (r.jitter+8)>>4
	}
	r.transit = transit
}

func (r *reports) jitterTime(clock int) time.Duration {
	return time.Duration(r.jitter>>4) * time.Second / time.Duration(clock)
}

// Sender takes the middle 32 bits of the NTP time of a sender report that came now.
func (t *Track) Sender(middle uint32, now time.Time) { t.report.middle, t.report.heard = middle, now }

// Report is a reception report about the stream, but for its SSRC. ok is false before the first packet.
func (t *Track) Report(now time.Time) (r rtcp.ReceptionReport, ok bool) {
	s := &t.report
	if !t.begun || s.received == 0 {
		return r, false
	}
	expected := uint64(s.top - s.first)
	lost := int64(expected - s.received)
	if ahead, got := expected-s.expected, s.received-s.got; ahead > got {
		r.FractionLost = uint8(min((ahead-got)<<8/ahead, 255))
	}
	s.expected, s.got = expected, s.received
	r.TotalLost = uint32(min(max(lost, 0), 1<<23-1))
	r.LastSequenceNumber = uint32(s.top - 1 - s.first&^0xffff)
	r.Jitter = uint32(s.jitter >> 4)
	if !s.heard.IsZero() {
		r.LastSenderReport = s.middle
		r.Delay = uint32(now.Sub(s.heard) * 65536 / time.Second)
	}
	return r, true
}
