package kit

// Client is the way to the owner process.
type Client struct{}
