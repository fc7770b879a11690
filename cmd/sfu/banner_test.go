package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files of the banner and the help text")

// golden compares got with testdata/name; run with -rewrite and review the difference after a change on purpose.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs, got:\n%s", name, got)
	}
}

const fingerprint = "9F:86:D0:81:88:4C:7D:65:9A:2F:EA:A0:C5:5A:D0:15:A3:BF:4F:1B:2B:0B:82:2C:D1:5D:6C:15:B0:F0:0A:08"

func lanBanner() Banner {
	return Banner{
		Version:     "v1.0.0",
		URLs:        []string{"https://192.168.1.5:8443", "https://hall.local:8443", "https://10.0.0.7:8443"},
		Certificate: "own CA; browsers warn until it is installed.",
		Fingerprint: fingerprint,
		Trust:       "http://192.168.1.5:8443/ca",
		Media:       "UDP and TCP 8443, at 192.168.1.5, 10.0.0.7.",
		TURN:        "built in, on the same port.",
		Admin:       "http://127.0.0.1:9443",
	}
}

func TestBanner(t *testing.T) {
	for _, c := range []struct {
		name    string
		columns int
		change  func(*Banner)
	}{
		{"lan-80", 80, func(*Banner) {}},
		{"lan-120", 120, func(*Banner) {}},
		{"lan-40", 40, func(*Banner) {}},
		{"log", 0, func(*Banner) {}},
		{"public-80", 80, func(b *Banner) {
			b.URLs = []string{"https://cast.example.org"}
			b.Certificate, b.Fingerprint, b.Trust = "Let's Encrypt, for cast.example.org.", "", ""
			b.Admin = ""
		}},
		{"warnings-80", 80, func(b *Banner) {
			b.Certificate, b.Fingerprint, b.Trust = "none, a proxy in front has it.", "", ""
			b.URLs = append(b.URLs, "https://[fd00::5]:8443", "https://172.17.0.1:8443", "https://172.18.0.1:8443")
			b.Warnings = []string{
				"Open: everybody who reaches this server can join by room name.",
				"TLS is off on :8443: codes travel in clear and browsers cast only from HTTPS pages. Behind a proxy, set --trusted-proxies.",
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := lanBanner()
			b.Columns = c.columns
			c.change(&b)
			got := b.String()
			golden(t, "banner-"+c.name+".txt", got)
			lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
			if c.columns == 80 && len(lines) > 24 {
				t.Errorf("%d lines do not fit on the screen", len(lines))
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(colours.ReplaceAllString(line, "")); c.columns > 0 && n > c.columns && c.columns >= 80 {
					t.Errorf("%d columns: %q", n, line)
				}
			}
			if strings.Contains(got, "\x1b") != (c.columns > 0) {
				t.Error("colours on a terminal and nowhere else")
			}
		})
	}
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestBannerCodeHoldsTheAddress reads the drawn modules back and compares them with the code of the address,
// quiet zone included.
func TestBannerCodeHoldsTheAddress(t *testing.T) {
	for _, url := range []string{"https://192.168.1.5:8443", "https://a-rather-long-host-name.corp.example.org:8443"} {
		b := Banner{URLs: []string{url}, Columns: 200}
		want, err := qr.Encode(url, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		drawn := b.code()
		if n := len(drawn) * 2; n < want.Size+2*bannerQuiet {
			t.Fatalf("%d rows for a code of %d", n, want.Size)
		}
		black := map[rune][2]bool{'█': {true, true}, '▀': {true, false}, '▄': {false, true}, ' ': {false, false}}
		for i, line := range drawn {
			if !strings.HasPrefix(line, qrColours) || !strings.HasSuffix(line, noColours) {
				t.Fatalf("line %d does not set and reset its colours: %q", i, line)
			}
			for x, r := range []rune(colours.ReplaceAllString(line, "")) {
				halves, ok := black[r]
				if !ok {
					t.Fatalf("line %d holds %q", i, r)
				}
				for half, got := range halves {
					if y := 2*i + half - bannerQuiet; got != want.Black(x-bannerQuiet, y) {
						t.Fatalf("module %d,%d is wrong", x-bannerQuiet, y)
					}
				}
			}
		}
		for _, edge := range []string{drawn[0], drawn[1], drawn[len(drawn)-2]} {
			if strings.TrimSpace(colours.ReplaceAllString(edge, "")) != "" {
				t.Errorf("the quiet zone is not quiet: %q", edge)
			}
		}
	}
}

func TestBannerWithoutRoomForACode(t *testing.T) {
	for _, columns := range []int{1, 2, 10, 20, 32} {
		b := lanBanner()
		b.Columns = columns
		if got := b.String(); strings.Contains(got, "\x1b") || !strings.Contains(got, b.URLs[0]+"/d") {
			t.Errorf("%d columns: %q", columns, got)
		}
	}
	b := Banner{URLs: []string{"https://" + strings.Repeat("long.", 2000) + "example"}, Columns: 80}
	if got := b.String(); strings.Contains(got, "\x1b") {
		t.Error("an address that is too long for a QR code has one")
	}
}

func TestStdoutColumns(t *testing.T) {
	f, err := os.Open(os.DevNull) // a character device, and no terminal
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	for _, term := range []string{"", "dumb", "xterm"} {
		if got := stdoutColumns(f, func(string) (string, bool) { return term, true }); got != 0 {
			t.Errorf("TERM=%s: %d columns", term, got)
		}
	}
}
