package inside

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/cairn-ml/cairn"
)

// The operations of a Request.
const (
	OpExec   = "exec"   // two files: stdout and stderr
	OpEnd    = "end"    // Stage to the process of exec number Of
	OpLook   = "look"   // Args[0] on the PATH of Path
	OpOwn    = "own"    // what Own says
	OpDial   = "dial"   // Path is an address
	OpListen = "listen" // a port of the container's loopback, carried to the socket Path
	OpRest   = "rest"   // how many processes there are
)

// The stages of an end.
const (
	StageLook      = "look"
	StageInterrupt = "interrupt"
	StageTerminate = "terminate"
	StageKill      = "kill"
)

// The kinds of failures of a Reply.
const (
	FailNotFound = "not-found" // the program
	FailDir      = "dir"       // the folder to run in
	FailStart    = "start"     // anything else
)

// Request is what the supervisor asks.
type Request struct {
	ID    int      `json:"id"`
	Op    string   `json:"op"`
	Args  []string `json:"args,omitempty"`
	Dir   string   `json:"dir,omitempty"`
	Env   []string `json:"env,omitempty"`
	Path  string   `json:"path,omitempty"`
	Of    int      `json:"of,omitempty"`
	Stage string   `json:"stage,omitempty"`
	Own   *Own     `json:"own,omitempty"`
}

// Own gives files to a user.
type Own struct {
	UID  int      `json:"uid"`
	GID  int      `json:"gid"`
	Root bool     `json:"root,omitempty"` // only files of root
	Dirs []string `json:"dirs"`
}

// Reply answers one request.
type Reply struct {
	ID   int    `json:"id"`
	Code int    `json:"code,omitempty"`
	Path string `json:"path,omitempty"`
	Fail string `json:"fail,omitempty"`
	Err  string `json:"err,omitempty"`
	// UID and GID are those that the container's first process runs as; Owner and
	// Group are whose the shared folders look to be. Only in the greeting, whose ID is 0.
	UID   int `json:"uid"`
	GID   int `json:"gid"`
	Owner int `json:"owner"`
	Group int `json:"group"`
}

// maxMessage bounds a message: an environment may be large.
const maxMessage = 32 << 20

// Send writes a message, with files that the other side gets.
func Send(c *net.UnixConn, v any, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = syscall.UnixRights(fds...)
	}
	if _, _, err := c.WriteMsgUnix(head[:], rights, nil); err != nil {
		return err
	}
	_, err = c.Write(b)
	return err
}

// Receive reads a message and the files that came with it.
func Receive(c *net.UnixConn, v any) ([]*os.File, error) {
	var head [4]byte
	rights := make([]byte, syscall.CmsgSpace(4*4))
	n, m, _, _, err := c.ReadMsgUnix(head[:], rights)
	if err != nil {
		return nil, err
	}
	files := filesOf(rights[:m])
	drop := func(err error) ([]*os.File, error) {
		for _, f := range files {
			f.Close()
		}
		return nil, err
	}
	if n == 0 {
		return drop(io.EOF)
	}
	if _, err := io.ReadFull(c, head[n:]); err != nil {
		return drop(err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxMessage {
		return drop(cairn.Errorf(cairn.CodeTooLarge, "a message of %d bytes", size))
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(c, b); err != nil {
		return drop(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return drop(err)
	}
	return files, nil
}

func filesOf(rights []byte) []*os.File {
	var out []*os.File
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			out = append(out, os.NewFile(uintptr(fd), "received"))
		}
	}
	return out
}

// closed reports whether an error only says that the other side is gone.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
