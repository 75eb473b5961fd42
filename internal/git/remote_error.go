package git

import (
	"strings"

	"github.com/cairn-ml/cairn"
)

// remoteTrouble gives a meaning to what git says when a remote does not answer
// as it should. What is tried again later is CodeUnavailable.
func remoteTrouble(url, stderr string, cause error) error {
	has := func(texts ...string) bool {
		for _, s := range texts {
			if strings.Contains(stderr, s) {
				return true
			}
		}
		return false
	}
	say := func(code cairn.Code, hint, format string, args ...any) error {
		return cairn.Errorf(code, format+"%w", append(args, hidden{cause})...).WithHint("%s", hint)
	}
	switch {
	case has("No space left on device", "Disk quota exceeded", "dubious ownership"):
		return nil // known says what these are
	case has("Could not resolve host", "Could not resolve proxy", "Name or service not known", "nodename nor servname", "Temporary failure in name resolution"):
		return say(cairn.CodeUnavailable, "is the name right, and is this machine connected? git ls-remote "+url+" asks the same",
			"the host of %s is not found", url)
	case has("Connection refused", "Failed to connect", "Connection timed out", "Network is unreachable", "No route to host", "Operation timed out", "unable to connect", "Couldn't connect"):
		return say(cairn.CodeUnavailable, "is this machine connected? git ls-remote "+url+" asks the same", "%s cannot be reached", url)
	case has("SSL certificate problem", "server certificate verification failed", "certificate verify failed"):
		return say(cairn.CodeForbidden, "the certificate is not trusted here: name its authority with git config --global http.sslCAInfo FILE",
			"the certificate of %s cannot be verified", url)
	case has("Host key verification failed"):
		return say(cairn.CodeForbidden, "connect once by hand, so that ssh knows it: git ls-remote "+url, "ssh does not know the host of %s", url)
	case has("Permission denied (", "Permissions 0", "Load key", "Too many authentication failures"):
		return say(cairn.CodeForbidden, "give a key that it knows: --ssh-key FILE (readable for you alone, without a passphrase, or in an agent)",
			"%s does not take the ssh key: %s", url, complaint(stderr))
	case has("could not read Username", "could not read Password", "terminal prompts disabled", "Authentication failed", "HTTP Basic: Access denied", "returned error: 401"):
		return say(cairn.CodeForbidden, "it is private, or not there: give a token that may read it, with --token-stdin or --token-file FILE",
			"%s asks who is there, and takes no answer from here", url)
	case has("returned error: 403"):
		return say(cairn.CodeForbidden, "the token may not read it, or the host blocks this machine", "%s refuses", url)
	case has("Repository not found", "repository not found", "returned error: 404", "does not appear to be a git repository", "does not exist", "not a git repository", "Project not found"):
		return say(cairn.CodeNotFound, "is the address right? a private repository needs a token", "there is no git repository at %s", url)
	case has("transport '", "protocol '"):
		return say(cairn.CodeInvalid, "one of "+strings.Join(remoteSchemes[:], ", "), "git does not reach %s so: %s", url, complaint(stderr))
	case has("couldn't find remote ref", "not our ref", "upload-pack: not our ref"):
		return say(cairn.CodeConflict, "the next look sees what is there now", "%s changed while it was fetched", url)
	case has("returned error: 5", "early EOF", "The remote end hung up", "unexpected disconnect", "RPC failed", "Operation too slow", "Connection reset", "gnutls_handshake", "SSL_ERROR", "Recv failure"):
		return say(cairn.CodeUnavailable, "it is tried again by itself", "%s broke off: %s", url, complaint(stderr))
	case has("fsck error", "fsckObjects", "index-pack died", "bad object"):
		return say(cairn.CodeInvalid, "git fsck in the repository names the objects", "%s sends objects that are damaged or not safe: %s", url, complaint(stderr))
	}
	return nil
}
