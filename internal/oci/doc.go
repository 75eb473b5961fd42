// Package oci keeps images: manifests with what they name, the tags that point to
// them, and what is packed into them. Bytes are blobs of the home's one store;
// rows say which of them are images and which repository holds them.
//
// # Names
//
// An image is kept under its full name, "ghcr.io/acme/api:main", whether or not it
// was pushed there. A name without a registry, "api", is one of Cairn's own.
//
// # What is packed
//
// A file of an image whose digest is that of a file in a model, data or artifact
// version is packed: the image is linked to that version, whatever brought the file
// there. What lies in the code of the run is code, whoever uploaded it too.
package oci
