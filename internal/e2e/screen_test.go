package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// screen is an X server without a monitor. The windows of the headed browser lie on it.
type screen struct {
	name string // for DISPLAY, such as ":7"
	cmd  *exec.Cmd
	gone chan error // the one result of Wait
}

// openScreen starts Xvfb on a display number that Xvfb finds free by itself.
func openScreen() (*screen, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1920x1080x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, err
	}
	s := &screen{cmd: cmd, gone: make(chan error, 1)}
	go func() { s.gone <- cmd.Wait() }()
	if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("Xvfb did not say its display number: %w", err), s.close())
	}
	s.name = ":" + strings.TrimSpace(line)
	return s, nil
}

// close ends the X server and waits for it.
func (s *screen) close() error {
	return endProcess(s.cmd, s.gone, 10*time.Second)
}

// endProcess asks a process by its own pid to end (SIGTERM), waits, and kills it when it does not. gone carries
// the result of cmd.Wait; being killed by our own signal is no error.
func endProcess(cmd *exec.Cmd, gone <-chan error, patience time.Duration) error {
	select {
	case err := <-gone:
		return fmt.Errorf("%s ended by itself: %w", cmd.Args[0], err)
	default:
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	var err error
	select {
	case err = <-gone:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-gone
		return fmt.Errorf("%s did not end within %v of SIGTERM", cmd.Args[0], patience)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return err
}
