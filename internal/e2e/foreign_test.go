package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// order is what a script of testdata is told to do, as WHIP or WHEP client of a stack that nobody here wrote.
type order struct {
	URL     string `json:"url"`
	CA      string `json:"ca"`
	Token   string `json:"token,omitempty"`
	Codec   string `json:"codec"`             // of the picture, as a MIME type
	Sound   string `json:"sound"`             // "" for none; "bundled" or "own" (aiortc's own way to offer two m-lines)
	BFrames bool   `json:"bframes,omitempty"` // pictures that refer to later ones
	Bundle  string `json:"bundle,omitempty"`  // webrtcbin's bundle-policy
	Frames  int    `json:"frames,omitempty"`  // to decode
	Relay   string `json:"relay,omitempty"`   // aiortc: how the URL of the TURN server begins that it is to use

	in place // where the script runs
}

// entered is what the server answered to a POST.
type entered struct {
	Status   int    `json:"status"`
	Type     string `json:"type"`
	Resource string `json:"resource"`
	ETag     string `json:"etag"`
	Links    int    `json:"links"`  // Link headers
	Waited   int    `json:"waited"` // answers of 409 with Retry-After before
	Body     string `json:"body"`   // if it is not 201
}

// played is what a player saw and heard.
type played struct {
	Frames    int            `json:"frames"`
	Read      int            `json:"read"` // frames whose pattern was read, checksum and all
	Faults    map[string]int `json:"faults"`
	Backwards int            `json:"backwards"` // frames not drawn later than the one before
	Sizes     []string       `json:"sizes"`
	Median    int            `json:"median"` // age of the picture in ms
	Oldest    int            `json:"oldest"`
	Heard     int            `json:"heard"`     // pieces of sound
	First     int            `json:"first"`     // aiortc: ms from asking to the first frame
	Candidate string         `json:"candidate"` // and the type of its own one
}

// stranger is a running script.
type stranger struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	told chan []byte // lines; closed at the end of its output
	said *tail
	over bool // it has been waited for
}

// needGStreamer is need for webrtcbin and what the scripts put around it, by way of python's gi.
func needGStreamer(t *testing.T) {
	t.Helper()
	need(t, python)
	const look = `import gi
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstWebRTC
Gst.init(None)
wanted = "webrtcbin nicesrc vp8enc vp8dec x264enc h264parse openh264dec opusenc opusdec rtpvp8pay appsrc".split()
absent = [e for e in wanted if not Gst.ElementFactory.find(e)]
assert not absent, absent`
	if out, err := exec.Command(python, "-c", look).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("GStreamer is not installed (see .ci/setup.sh): %v: %s", err, out))
	}
}

// start starts a script with its order. It ends with the test at the latest.
func (st *stage) start(t *testing.T, name, file string, what order) *stranger {
	t.Helper()
	st.unpack(t)
	d := &stranger{t: t, name: name, said: new(tail)}
	d.cmd = exec.Command(python, filepath.Join(st.dir, "scripts", file))
	d.cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "GST_REGISTRY="+filepath.Join(st.dir, "gst-registry"),
		"SSL_CERT_FILE="+filepath.Join(st.dir, "ca.crt")) // for TURN over TLS
	d.cmd.Stderr = d.said
	if err := enter(what.in, d.cmd); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.told = make(chan []byte, 256) // more than a script has to tell
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.told)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.told <- bytes.Clone(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		if d.over {
			return
		}
		_ = d.cmd.Process.Kill() // the test has failed before it could take its leave
		for range d.told {
		}
		_ = d.cmd.Wait()
		t.Logf("%s said:\n%s", d.name, d.said)
	})
	what.CA = filepath.Join(st.dir, "ca.crt")
	if err := json.NewEncoder(d.in).Encode(what); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// unpack writes the scripts where python finds them and their modules.
func (st *stage) unpack(t *testing.T) {
	t.Helper()
	dir := filepath.Join(st.dir, "scripts")
	files, err := testdata.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		to := filepath.Join(dir, f.Name())
		if _, err := os.Stat(to); err == nil || filepath.Ext(f.Name()) != ".py" {
			continue
		}
		part := to + "." + fmt.Sprint(time.Now().UnixNano()) // tests that run at once see whole files only
		if err := os.WriteFile(part, []byte(script(f.Name())), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(part, to); err != nil {
			t.Fatal(err)
		}
	}
}

// tells waits for the next line in which the script tells the key, and reads it.
func tells[T any](d *stranger, key string) T {
	d.t.Helper()
	deadline := time.After(joinTime)
	for {
		select {
		case line, more := <-d.told:
			if !more {
				d.t.Fatalf("%s ended without telling %q", d.name, key)
			}
			var keys map[string]json.RawMessage
			if err := json.Unmarshal(line, &keys); err != nil || keys["error"] != nil {
				d.t.Fatalf("%s: %v, %s", d.name, err, line)
			}
			if keys[key] == nil {
				continue
			}
			var got T
			if err := json.Unmarshal(line, &got); err != nil {
				d.t.Fatalf("%s: %v in %s", d.name, err, line)
			}
			return got
		case <-deadline:
			d.t.Fatalf("%s: not within %v: %q", d.name, joinTime, key)
		}
	}
}

// enters is tells for a POST that must be accepted as RFC 9725 section 4.2 and the WHEP draft say.
func (d *stranger) enters() entered {
	d.t.Helper()
	got := tells[entered](d, "status")
	if got.Status != http.StatusCreated || got.Type != "application/sdp" || got.ETag == "" || got.Links == 0 {
		d.t.Fatalf("%s: the answer to its offer is %+v", d.name, got)
	}
	return got
}

// connects waits until the script's connection is there.
func (d *stranger) connects() {
	d.t.Helper()
	type now struct {
		State string `json:"state"`
	}
	for state := ""; state != "connected"; {
		if state = tells[now](d, "state").State; state == "failed" || state == "closed" {
			d.t.Fatalf("%s: the connection is %s", d.name, state)
		}
	}
}

// leave has the script delete its resource, and asserts that the server did so. Its trickled candidates, if it has such
// a habit, must have been taken.
func (d *stranger) leave(s *server, at entered) {
	d.t.Helper()
	if got := s.status(http.MethodGet, at.Resource); got != http.StatusNoContent {
		d.t.Errorf("%s: GET of its resource gives %d, want 204", d.name, got)
	}
	if _, err := io.WriteString(d.in, "\n"); err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	type gone struct {
		Deleted  int         `json:"deleted"`
		Trickled map[int]int `json:"trickled"` // statuses of PATCHes; nil in a stack that does not trickle
	}
	got := tells[gone](d, "deleted")
	if got.Deleted != http.StatusOK {
		d.t.Errorf("%s: its DELETE was answered with %d", d.name, got.Deleted)
	}
	if n := got.Trickled[http.StatusNoContent]; got.Trickled != nil && (n == 0 || len(got.Trickled) > 1) {
		d.t.Errorf("%s: its PATCHes were answered with %v, want 204", d.name, got.Trickled)
	}
	d.ends()
	if got := s.status(http.MethodGet, at.Resource); got != http.StatusNotFound {
		d.t.Errorf("%s: GET of its resource gives %d when it is deleted, want 404", d.name, got)
	}
}

// ends waits for the end of the script, which must be a good one.
func (d *stranger) ends() {
	d.t.Helper()
	_ = d.in.Close()
	for range d.told { // to the end of its output, which Wait closes
	}
	d.over = true
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("%s: %v\n%s", d.name, err, d.said)
	}
}

// status is the status of a request without a body.
func (s *server) status(method, url string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
