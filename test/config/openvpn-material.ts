/** Keys and certificates that can be read, and do nothing else. */

/** Self-signed, good for reading only. */
export const CERT = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUGsDPxpSuZ4ZRPggm86FetMITR/cwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjQwMzI1MzRaGA8yMTI2MTAzMTAzMjUz
NFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCvW
Pf/zaNmgkozgK3ewoHfWS8CdQ8mV3U3pf33sTgeB1zCTFnorHTmyoQ6klIigAFRm
i3vcaKHkK9c6jK12CaWjUzBRMB0GA1UdDgQWBBS/cEC6M22i1yNKqT3gifw+8v3e
YjAfBgNVHSMEGDAWgBS/cEC6M22i1yNKqT3gifw+8v3eYjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIB9ALjSC2p3Do6qm19uQVE1ouuU2Is9/ByuK
YgKFPFBNAiEAwIP4KUwBCjjrlfRLZ+raqT+irlP+PWt52KFfoAS+XII=
-----END CERTIFICATE-----
`
export const PRIVATE = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
const HEX = 'abcdef0123456789'.repeat(32).replace(/(.{32})/g, '$1\n')
export const STATIC = `#\n# 2048 bit OpenVPN static key\n#\n-----BEGIN OpenVPN Static key V1-----\n${HEX}-----END OpenVPN Static key V1-----\n`
