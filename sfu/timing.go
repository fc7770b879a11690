package sfu

import (
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/transport/v2/packetio"
	"github.com/pion/webrtc/v3"

	"castcode/sfu/forward"
)

const (
	// maxReported bounds the streams of one caster whose reports are kept: three slots, three layers, resends.
	maxReported = 24
	// maxEarly is how far the capture of the newest packet may be from its arrival; a report that says otherwise is
	// not believed.
	maxEarly = int64(10 * time.Second)
	// rtpBuffer is how many bytes pion keeps of one incoming stream that is not read fast enough, its own default.
	rtpBuffer = 1_000_000
	senderRTP = 28 // bytes of a sender report without blocks, RFC 3550 §6.4.1
)

// reports puts a caster's streams on the engine's clock by the sender reports that it gets. They come from pion as
// decrypted packets, on the goroutine that reads the connection's SRTCP.
type reports struct {
	caster *caster // fixed
	clock  atomic.Pointer[forward.CasterClock]

	// guarded by mu
	mu   sync.Mutex
	said map[uint32]said // by SSRC

	// owned by the goroutine that reads SRTCP
	receiver interceptor.RTCPReader // of pion, which makes receiver reports of it
	passing  [senderRTP]byte
	scratch  [senderRTP]byte
}

// said is what the newest report of a stream says: its timestamp rtp belongs to the time ntp.
type said struct {
	ntp uint64
	rtp uint32
}

// buffer is pion's factory of what incoming packets are kept in until they are read. RTCP is taken at once: nobody
// reads it, so no goroutine is needed for it.
func (r *reports) buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	if kind == packetio.RTCPBufferPacket {
		return reportSink{r}
	}
	b := packetio.NewBuffer()
	b.SetLimitSize(rtpBuffer)
	if len(r.caster.undeclared) > 0 {
		return &listener{Buffer: b, caster: r.caster, ssrc: ssrc}
	}
	return b
}

// reportSink takes the RTCP packets that name one stream.
type reportSink struct{ reports *reports }

// Write takes one compound packet.
func (s reportSink) Write(p []byte) (int, error) {
	r := s.reports
	now := r.caster.engine.now()
	senderReports(p, func(report []byte) {
		r.take(binary.BigEndian.Uint32(report[4:]), said{
			ntp: binary.BigEndian.Uint64(report[8:]), rtp: binary.BigEndian.Uint32(report[16:]),
		}, now)
		r.pass(report)
	})
	return len(p), nil
}

// Read has nothing for anybody.
func (reportSink) Read([]byte) (int, error) { return 0, io.EOF }

// Close has nothing to close.
func (reportSink) Close() error { return nil }

// senderReports calls f with each sender report of the compound packet p (RFC 3550 §6.1), 28 bytes at least. It ends
// at the first malformed part.
func senderReports(p []byte, f func(report []byte)) {
	for len(p) >= 4 && p[0]>>6 == 2 {
		size := 4 * (int(binary.BigEndian.Uint16(p[2:])) + 1)
		if size > len(p) {
			return
		}
		if p[1] == 200 && size >= senderRTP {
			f(p[:size])
		}
		p = p[size:]
	}
}

// pass shows the report to pion, whose receiver reports say when the last one came (RFC 3550 §6.4.1, LSR and DLSR), so
// that the caster knows its round trip. It is a report without blocks, made here, so that nothing malformed gets there.
func (r *reports) pass(report []byte) {
	copy(r.passing[:], report)
	r.passing[0], r.passing[1] = 2<<6, 200
	binary.BigEndian.PutUint16(r.passing[2:], senderRTP/4-1)
	_, _, _ = r.receiver.Read(r.scratch[:], nil) // it is no error that a stream is not known
}

// bind takes pion's interceptor that makes receiver reports.
func (r *reports) bind(i interceptor.Interceptor) {
	r.receiver = i.BindRTCPReader(interceptor.RTCPReaderFunc(
		func(p []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
			return copy(p, r.passing[:]), a, nil
		}))
}

// take notes a report and puts all streams of the caster on the clock as it is now.
func (r *reports) take(ssrc uint32, s said, now int64) {
	if s.ntp == 0 {
		return // RFC 3550 §6.4.1: the caster has no clock
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.said[ssrc]
	if known && before == s || !known && len(r.said) >= maxReported {
		return // a packet comes once for each stream that it names
	}
	r.said[ssrc] = s
	clock := forward.CasterClock{}
	if c := r.clock.Load(); c != nil {
		clock = *c
	}
	clock.Report(s.ntp, now)
	r.clock.Store(&clock)
	for _, l := range r.caster.snapshot() {
		r.settle(l, &clock)
	}
}

// adopt gives a new layer what reports have said already.
func (r *reports) adopt(l *layer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if clock := r.clock.Load(); clock != nil {
		r.settle(l, clock)
	}
}

// settle puts l on the clock if there was a report for it that can be true. Called with mu held.
func (r *reports) settle(l *layer, clock *forward.CasterClock) {
	s, ok := r.said[uint32(l.remote.SSRC())]
	if !ok {
		return
	}
	t := &forward.Timing{RTP: s.rtp, At: clock.At(s.ntp), Clock: l.track.slot.clock(), Reported: true}
	if p := l.newest.Load(); p != nil {
		if early := p.Arrival - t.Captured(uint32(p.TS)); early > maxEarly || early < -maxEarly {
			return
		}
	}
	l.timing.Store(t)
}

// reportFactory shows what another factory makes.
type reportFactory struct {
	interceptor.Factory
	made func(interceptor.Interceptor)
}

// NewInterceptor is called by pion once for each connection.
func (f reportFactory) NewInterceptor(id string) (interceptor.Interceptor, error) {
	i, err := f.Factory.NewInterceptor(id)
	if err == nil {
		f.made(i)
	}
	return i, err
}

// guess puts the stream of a layer that no report has named yet on the clock, by its quickest packet.
func (l *layer) guess(ts uint32, now int64) {
	t := l.timing.Load()
	if t == nil || t.Quicker(ts, now) {
		l.timing.CompareAndSwap(t, &forward.Timing{RTP: ts, At: now, Clock: l.track.slot.clock()})
	}
}

// settingsFor is how the connection of one caster behaves.
func (r *reports) settingsFor(s webrtc.SettingEngine) webrtc.SettingEngine {
	s.BufferFactory = r.buffer
	return s
}

// timestamp is what the stream's timestamp is for what is captured now, by the caster's own reports where they have
// come; ok is false before the first packet.
func (d *downTrack) timestamp(now int64) (ts uint32, ok bool) {
	if d.lastFrom == nil {
		return 0, false
	}
	t := d.lastFrom.layer.timing.Load() // set before the layer's first packet
	elapsed := (now - t.Captured(d.lastIn)) / 1000 * int64(d.clock) / 1_000_000
	return d.lastTS + uint32(elapsed), true
}
