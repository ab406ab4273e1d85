// Which bytes may stand where in a message head (RFC 9110 §5.6.2, RFC 9112 §3 and §5). Used by the head and the chunk parser.
// Tables, because they are read once for every byte.

function table(accepts: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0));
}

const tokenMarks = new Set("!#$%&'*+-.^_`|~".split('').map((mark) => mark.charCodeAt(0)));

const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
const isUpper = (byte: number) => byte >= 0x41 && byte <= 0x5a;
const isLower = (byte: number) => byte >= 0x61 && byte <= 0x7a;

/** Header names. */
export const tokenBytes = table(
  (byte) => isDigit(byte) || isUpper(byte) || isLower(byte) || tokenMarks.has(byte),
);

/** Methods are capital letters and "-": every registered method is, and "get" is another server's GET. */
export const methodBytes = table((byte) => isUpper(byte) || byte === 0x2d);

/** Header values and chunk extensions: tab, space, visible, and the high bytes that old clients send. */
export const fieldBytes = table((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f));

/** Request targets: visible and high bytes, no fragment. */
export const targetBytes = table((byte) => byte > 0x20 && byte !== 0x7f && byte !== 0x23);

/** The value of a hexadecimal digit, 255 for any other byte. */
export const hexValues = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (isDigit(byte)) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : 255;
});

/** Lower case, and "_" as "-": an app behind CGI-like gateways cannot tell X_Forwarded_For from X-Forwarded-For. */
export const foldedBytes = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x5f) return 0x2d;
  return isUpper(byte) ? byte | 0x20 : byte;
});
