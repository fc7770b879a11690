// Command sfu is castcode: it shows one screen on many others. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is that of the next release.
const version = "0.1.0"

// versionText adds the commit that the program was built from, when the build knows it.
func versionText() string {
	text := "castcode " + version
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				text += " (" + s.Value[:12] + ")"
			}
		}
	}
	return text
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := Main(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Main runs the command line args and returns the exit status: 0, 1 when something failed while it ran, 2 when the
// command line or the configuration is wrong. The server runs until ctx ends.
func Main(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	command, err := Load(args, env, stdout, loadTestCommand(), loadTestWords(), doctorCommand(), tokenCommand())
	if err == nil {
		switch command.Name {
		case "help":
		case "version":
			_, err = fmt.Fprintln(stdout, versionText())
		case "serve":
			err = serve(ctx, command.Config, env, stdout, stderr)
		default:
			err = command.Run(&surroundings{ctx: ctx, env: env, stdout: stdout, stderr: stderr})
		}
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "sfu: %v\n", err) // there is nowhere else to say it
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}

// surroundings are what a command needs besides its flags.
type surroundings struct {
	ctx    context.Context
	env    func(string) (string, bool)
	stdout io.Writer
	stderr io.Writer
}
