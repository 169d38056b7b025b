/** Base64 (RFC 4648 section 4) of the text's UTF-8 bytes. */
export function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
