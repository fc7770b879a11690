package loadtest

import (
	"fmt"
	"strconv"
	"strings"
)

// Rate is a number of bits per second: 800k, 2.5M, 64000.
type Rate int

// UnmarshalText is encoding.TextUnmarshaler's.
func (r *Rate) UnmarshalText(text []byte) error {
	s, factor := strings.TrimSpace(string(text)), 1.0
	switch {
	case strings.HasSuffix(s, "k"):
		s, factor = s[:len(s)-1], 1e3
	case strings.HasSuffix(s, "M"):
		s, factor = s[:len(s)-1], 1e6
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f*factor > 1e10 {
		return fmt.Errorf("%q is no bitrate; write 800k or 2.5M", text)
	}
	*r = Rate(f * factor)
	return nil
}

// String writes it as UnmarshalText reads it.
func (r Rate) String() string {
	switch {
	case r >= 1e6:
		return strconv.FormatFloat(float64(r)/1e6, 'g', 4, 64) + "M"
	case r >= 1e3:
		return strconv.FormatFloat(float64(r)/1e3, 'g', 4, 64) + "k"
	}
	return strconv.Itoa(int(r))
}

// words writes it for people.
func (r Rate) words() string {
	switch {
	case r >= 1e6:
		return strconv.FormatFloat(float64(r)/1e6, 'g', 4, 64) + " Mbit/s"
	case r >= 1e3:
		return strconv.FormatFloat(float64(r)/1e3, 'g', 4, 64) + " kbit/s"
	}
	return strconv.Itoa(int(r)) + " bit/s"
}

// Share is a part of a whole: 5%, or 0.05.
type Share float64

// UnmarshalText is encoding.TextUnmarshaler's.
func (s *Share) UnmarshalText(text []byte) error {
	t, factor := strings.TrimSpace(string(text)), 1.0
	if strings.HasSuffix(t, "%") {
		t, factor = strings.TrimSpace(t[:len(t)-1]), 0.01
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || f < 0 || f*factor > 1 {
		return fmt.Errorf("%q is no share; write 5%% or 0.05", text)
	}
	*s = Share(f * factor)
	return nil
}

// String writes it in per cent.
func (s Share) String() string { return strconv.FormatFloat(float64(s)*100, 'g', 4, 64) + "%" }

// Size is the width and height of a picture: 1280x720.
type Size struct{ Width, Height int }

// UnmarshalText is encoding.TextUnmarshaler's.
func (s *Size) UnmarshalText(text []byte) error {
	w, h, _ := strings.Cut(string(text), "x")
	width, err := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	if err != nil || err2 != nil || width < 16 || height < 16 || width > 8192 || height > 8192 {
		return fmt.Errorf("%q is no picture size; write 1280x720", text)
	}
	*s = Size{width, height}
	return nil
}

// String writes it as UnmarshalText reads it.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }
