package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// speaker is a sound server without a loudspeaker, which takes sound at the pace of one. Firefox lets no sound out of
// its jitter buffer on a machine that has nothing to play it on.
type speaker struct {
	address string // for PULSE_SERVER
	cmd     *exec.Cmd
	gone    chan error
	out     *tail
}

// openSpeaker starts PulseAudio with its files in a new directory below dir.
func openSpeaker(dir string) (*speaker, error) {
	home, err := os.MkdirTemp(dir, "speaker-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(home, "socket")
	s := &speaker{address: "unix:" + socket, gone: make(chan error, 1), out: new(tail)}
	s.cmd = exec.Command("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
		"--disable-shm=yes", "--load=module-null-sink",
		"--load=module-native-protocol-unix socket="+socket+" auth-anonymous=1")
	s.cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH"), "DBUS_SESSION_BUS_ADDRESS=/dev/null"}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.gone <- s.cmd.Wait() }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(socket); err == nil {
			return s, nil
		}
		select {
		case err := <-s.gone:
			return nil, fmt.Errorf("pulseaudio ended at once: %w\n%s", err, s.out)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("pulseaudio is not ready within 20 s:\n%s", s.out), s.close())
		}
	}
}

// close ends the sound server and waits for it.
func (s *speaker) close() error { return endProcess(s.cmd, s.gone, 10*time.Second) }
