package transport

import (
	"encoding/binary"
	"time"
)

// NTP is wall-clock time as RFC 5905 §6 has it: seconds since 1900 and their 2^-32 parts.
type NTP uint64

// secondsTo1970 from 1900.
const secondsTo1970 = 2208988800

// Clock ties the nanoseconds that a caller counts to wall-clock time, once and for all: sender reports of audio and
// video must not see the wall clock jump.
type Clock struct{ origin int64 }

// NewClock says that wall is the time at now.
func NewClock(wall time.Time, now int64) Clock { return Clock{origin: wall.UnixNano() - now} }

// NTP is the wall-clock time at now.
func (c Clock) NTP(now int64) NTP {
	ns := uint64(c.origin+now) + secondsTo1970*uint64(time.Second)
	seconds, rest := ns/uint64(time.Second), ns%uint64(time.Second)
	return NTP(seconds<<32 | rest<<32/uint64(time.Second))
}

// Mark says which RTP timestamp a track has at the moment of the report.
type Mark struct {
	Track     *Track
	Timestamp uint32
}

const (
	sizeSR    = 28
	sizeSDES  = 4 + 4 + 2 + len(cname) + 4 // rounded up generously
	maxMarks  = 8
	maxReport = maxMarks*sizeSR + sizeSDES + indexWord + maxTag
)

// cname is the canonical name of all tracks of a session: it only says that they belong together (RFC 3550 §6.5.1),
// and the same in every session tells nobody anything.
const cname = "castcode"

// Report writes one datagram with a sender report for each mark (RFC 3550 §6.4.1), sealed, into the batch. All tracks
// of a session go into one report, with one NTP time, so that lips stay in sync. Tracks that have sent nothing are
// passed over; at most 8 count. It allocates nothing.
func (s *Session) Report(marks []Mark, now int64, out Batch) {
	if s.state != connected || !s.ice.selected.IsValid() {
		return
	}
	p := out.Reserve(s.ice.selected, maxReport)
	if len(p) < maxReport {
		if p != nil {
			out.Commit(0)
		}
		s.drop(DropFull)
		return
	}
	at, first := 0, uint32(0)
	ntp := s.server.config.Clock.NTP(now)
	for _, m := range marks[:min(len(marks), maxMarks)] {
		if m.Track.main.packets == 0 {
			continue
		}
		if at == 0 {
			first = m.Track.main.ssrc
		}
		at += writeSR(p[at:], &m.Track.main, ntp, m.Timestamp)
	}
	if at == 0 || s.rtcpIndex > maxIndex {
		out.Commit(0)
		return
	}
	at += writeSDES(p[at:], first)
	n := s.sealReports.sealRTCP(p, at, s.rtcpIndex)
	s.rtcpIndex++
	out.Commit(n)
}

func writeSR(p []byte, stream *stream, ntp NTP, timestamp uint32) int {
	p[0], p[1] = 2<<6, typeSR
	binary.BigEndian.PutUint16(p[2:], sizeSR/4-1)
	binary.BigEndian.PutUint32(p[4:], stream.ssrc)
	binary.BigEndian.PutUint64(p[8:], uint64(ntp))
	binary.BigEndian.PutUint32(p[16:], timestamp)
	binary.BigEndian.PutUint32(p[20:], stream.packets)
	binary.BigEndian.PutUint32(p[24:], stream.octets)
	return sizeSR
}

// writeSDES writes one chunk with the CNAME, RFC 3550 §6.5.
func writeSDES(p []byte, ssrc uint32) int {
	const item = 4 + 2 + len(cname) // SSRC, type, length, text
	const size = 4 + (item+1+3)/4*4 // at least one zero byte ends the list
	p[0], p[1] = 2<<6|1, typeSDES
	binary.BigEndian.PutUint16(p[2:], uint16(size/4-1))
	binary.BigEndian.PutUint32(p[4:], ssrc)
	p[8], p[9] = 1, byte(len(cname))
	clear(p[10+copy(p[10:], cname) : size])
	return size
}
