package filter

import "encoding/binary"

// AppendDigest writes what tells one filter apart from all others: two filters
// with the same digest admit the same documents. What is asked of related
// documents is in it.
func (b *Bound) AppendDigest(dst []byte) []byte { return b.root.appendDigest(dst) }

func (n *Node) appendDigest(dst []byte) []byte {
	dst = append(dst, byte(n.Op))
	dst = appendText(dst, n.Path)
	dst = binary.AppendUvarint(dst, uint64(len(n.Values)))
	for _, value := range n.Values {
		dst = append(appendText(dst, string(value.Value)), byte(value.Type))
	}
	dst = binary.AppendUvarint(dst, uint64(len(n.Nodes)))
	for _, inner := range n.Nodes {
		dst = inner.appendDigest(dst)
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}
