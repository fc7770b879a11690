package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3/pkg/media/h264reader"
	"github.com/pion/webrtc/v3/pkg/media/ivfreader"
)

// maxFile bounds a file, in bytes: all of it is held.
const maxFile = 1 << 30

// file is a stream of a file, in a loop.
type file struct {
	codec     Codec
	interval  time.Duration
	frames    [][]byte
	keys      []bool
	next      int
	payloader rtp.Payloader
}

// CodecOf says which codec a file of pictures has: by its header, or H.264 by its name.
func CodecOf(path string) (Codec, error) {
	f, err := os.Open(path)
	if err != nil {
		return None, err
	}
	defer f.Close() //nolint:errcheck // read only
	switch strings.ToLower(filepath.Ext(path)) {
	case ".h264", ".264", ".avc":
		return H264, nil
	}
	_, header, err := ivfreader.NewWith(f)
	if err != nil {
		return None, fmt.Errorf("%s is no IVF file, and not named .h264: %w", path, err)
	}
	codec, ok := map[string]Codec{"VP80": VP8, "VP90": VP9, "AV01": AV1}[header.FourCC]
	if !ok {
		return None, fmt.Errorf("%s holds %q; use VP8, VP9 or AV1", path, header.FourCC)
	}
	return codec, nil
}

// OpenPictures opens an IVF or H.264 Annex B file. fps is for files that do not say it. Keyframes come where the file
// has them: nobody can ask for one, so a file in which they are rare lets newcomers wait.
func OpenPictures(path string, fps int) (Source, error) {
	codec, err := CodecOf(path)
	if err != nil {
		return nil, err
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	s := &file{codec: codec, interval: time.Second / time.Duration(max(fps, 1)), payloader: newPayloader(codec)}
	if codec == H264 {
		err = s.readH264(data)
	} else {
		err = s.readIVF(data)
	}
	if err == nil && len(s.frames) == 0 {
		err = errors.New("no picture")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// OpenSound opens an Ogg file with Opus.
func OpenSound(path string) (Source, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	packets, err := oggPackets(data)
	if err != nil || len(packets) < 3 || !bytes.HasPrefix(packets[0], []byte("OpusHead")) {
		return nil, errors.Join(fmt.Errorf("%s is no Ogg file with Opus", path), err)
	}
	packets = packets[2:] // after the head and the tags (RFC 7845 section 3)
	return &file{
		codec: Opus, interval: opusLength(packets[0]), frames: packets, keys: make([]bool, len(packets)),
		payloader: newPayloader(Opus),
	}, nil
}

// oggPackets takes the packets of the first logical stream out of their pages (RFC 3533 section 6).
func oggPackets(data []byte) (packets [][]byte, err error) {
	const head = 27
	var part []byte
	for len(data) > 0 {
		if len(data) < head || !bytes.HasPrefix(data, []byte("OggS")) || len(data) < head+int(data[26]) {
			return nil, errors.New("a broken page")
		}
		sizes := data[head : head+int(data[26])]
		data = data[head+len(sizes):]
		for _, size := range sizes {
			if len(data) < int(size) {
				return nil, errors.New("a page that is cut")
			}
			part = append(part, data[:size]...)
			data = data[size:]
			if size < 255 {
				if len(part) > 0 {
					packets = append(packets, part)
				}
				part = nil
			}
		}
	}
	return packets, nil
}

// opusLength is how long a packet plays (RFC 6716 section 3.1).
func opusLength(p []byte) time.Duration {
	if len(p) == 0 {
		return OpusEvery
	}
	config := p[0] >> 3
	length := []time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond // SILK
	switch {
	case config >= 16: // CELT
		length = 2500 * time.Microsecond << (config & 3)
	case config >= 12: // both
		length = 10 * time.Millisecond << (config & 1)
	}
	switch count := p[0] & 3; {
	case count == 3 && len(p) > 1:
		length *= time.Duration(max(p[1]&0x3f, 1))
	case count > 0:
		length *= 2
	}
	return min(length, 120*time.Millisecond)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return data, err
}

func (s *file) readIVF(data []byte) error {
	r, header, err := ivfreader.NewWith(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if header.TimebaseDenominator > 0 && header.TimebaseNumerator > 0 {
		every := time.Duration(header.TimebaseNumerator) * time.Second / time.Duration(header.TimebaseDenominator)
		if every >= time.Second/240 && every <= time.Second {
			s.interval = every
		}
	}
	for {
		frame, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.add(frame)
	}
}

// readH264 gathers NAL units to access units: a slice whose first macroblock is the picture's first ends what was
// before (H.264 section 7.4.1.2.4, as far as streams with one slice header per picture need it).
func (s *file) readH264(data []byte) error {
	r, err := h264reader.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	var unit []byte
	sliced := false
	for {
		nal, err := r.NextNAL()
		if errors.Is(err, io.EOF) {
			if sliced {
				s.add(unit)
			}
			return nil
		}
		if err != nil {
			return err
		}
		slice := nal.UnitType == h264reader.NalUnitTypeCodedSliceNonIdr || nal.UnitType == h264reader.NalUnitTypeCodedSliceIdr
		first := slice && len(nal.Data) > 1 && nal.Data[1]&0x80 != 0
		if sliced && (first || !slice) {
			s.add(unit)
			unit, sliced = nil, false
		}
		sliced = sliced || slice
		unit = append(append(unit, startCode...), nal.Data...)
	}
}

func (s *file) add(frame []byte) {
	s.frames = append(s.frames, frame)
	key := false
	for _, p := range newPayloader(s.codec).Payload(MaxPayload, frame) {
		key = key || Inspect(s.codec, p).Key
	}
	s.keys = append(s.keys, key)
}

func (s *file) Codec() Codec            { return s.codec }
func (s *file) Interval() time.Duration { return s.interval }

func (s *file) Next(uint32, time.Time, bool) Frame {
	i := s.next
	s.next = (s.next + 1) % len(s.frames)
	return Frame{Payloads: s.payloader.Payload(MaxPayload, s.frames[i]), Key: s.keys[i]}
}
