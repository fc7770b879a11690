package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// python is Debian's own, which has aiortc from a package; another one may stand before it in the path.
const python = "/usr/bin/python3"

// needAiortc is need for a module of python's.
func needAiortc(t *testing.T) {
	t.Helper()
	need(t, python)
	if out, err := exec.Command(python, "-c", "import aiortc").CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("python3-aiortc is not installed (see .ci/setup.sh): %v: %s", err, out))
	}
}

// aiortcSaw is what receive.py says about the frames that it has decoded.
type aiortcSaw struct {
	Frames      int      `json:"frames"`
	Contrasting int      `json:"contrasting"` // frames with both black and white in them
	Sizes       []string `json:"sizes"`       // in order of appearance
	Backwards   int      `json:"backwards"`   // frames that are not later than the one before
	Packets     int      `json:"packets"`
	Lost        int      `json:"lost"`
}

// aiortc lets python's aiortc join the room by its code and decode so many frames.
func aiortc(t *testing.T, s *server, code string, frames int) aiortcSaw {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*joinTime)
	defer cancel()
	file := filepath.Join(s.st.dir, "receive.py")
	if err := os.WriteFile(file, []byte(script("receive.py")), 0o600); err != nil {
		t.Fatal(err)
	}
	said := new(tail)
	cmd := exec.CommandContext(ctx, python, file, strconv.Itoa(frames))
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var saw aiortcSaw
	err = func() error {
		var offer struct {
			Offer string `json:"offer"`
		}
		if err := readLine(lines, &offer); err != nil {
			return err
		}
		socket, answer, err := s.join(ctx, code, offer.Offer)
		if err != nil {
			return err
		}
		defer socket.Close()
		if err := json.NewEncoder(in).Encode(map[string]string{"answer": answer}); err != nil {
			return err
		}
		return readLine(lines, &saw)
	}()
	if err != nil {
		cancel()
	}
	if ended := cmd.Wait(); err != nil || ended != nil {
		t.Fatalf("aiortc: %v, %v\n%s", err, ended, said)
	}
	return saw
}

func readLine(from *bufio.Reader, into any) error {
	line, err := from.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// join brings a foreign viewer's offer, which has one m-line for the picture, to the server over a socket of its own.
// The viewer stays in the room while the socket is open.
func (s *server) join(ctx context.Context, code, offer string) (socket *websocket.Conn, answer string, err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.st.ca)
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}
	address := "wss" + strings.TrimPrefix(s.url("/ws"), "https")
	socket, res, err := dialer.DialContext(ctx, address, http.Header{"Origin": {strings.TrimSuffix(s.url("/"), "/")}})
	if err != nil {
		return nil, "", err
	}
	res.Body.Close()
	deadline, _ := ctx.Deadline()
	_ = socket.SetReadDeadline(deadline)
	answer, err = exchange(socket, code, offer)
	if err != nil {
		socket.Close()
	}
	return socket, answer, err
}

func exchange(socket *websocket.Conn, code, offer string) (answer string, err error) {
	for _, message := range []map[string]any{
		{"type": "hello", "version": 1, "name": "aiortc", "id": 1},
		{"type": "join", "code": code, "offer": offer, "slots": map[string]string{"0": "screen"}, "id": 2},
	} {
		if err := socket.WriteJSON(message); err != nil {
			return "", err
		}
	}
	for {
		var got struct {
			Type   string `json:"type"`
			Re     int    `json:"re"`
			Code   string `json:"code"`
			Reason string `json:"reason"`
			Answer string `json:"answer"`
		}
		if err := socket.ReadJSON(&got); err != nil {
			return "", err
		}
		switch {
		case got.Type == "error":
			return "", fmt.Errorf("refused: %s %s", got.Code, got.Reason)
		case got.Re == 2:
			return got.Answer, nil
		}
	}
}

// decodeWithAiortc asserts that aiortc decodes the cast as well, in the size that the browsers see.
func decodeWithAiortc(t *testing.T, s *server, code string, width, height int) {
	t.Helper()
	const frames = 60
	began := time.Now()
	saw := aiortc(t, s, code, frames)
	t.Logf("aiortc: %+v in %d ms, with its start", saw, time.Since(began).Milliseconds())
	if saw.Frames != frames || saw.Backwards > 0 {
		t.Errorf("aiortc decoded %+v, want %d frames, one after the other", saw, frames)
	}
	if saw.Contrasting < frames*9/10 {
		t.Errorf("aiortc saw the pattern in %d of %d frames only", saw.Contrasting, frames)
	}
	if want := fmt.Sprintf("%dx%d", width, height); !slices.Contains(saw.Sizes, want) {
		t.Errorf("aiortc saw pictures of %v, want %s", saw.Sizes, want)
	}
}
