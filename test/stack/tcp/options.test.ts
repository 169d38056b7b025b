/** What the SYNs agree on: MSS, window scale, SACK, timestamps. */
import { open, scripts } from './scripts.js'

scripts({
  'our SYN offers everything': `
    ! connect
    > S 0 win 65535 <mss 1460,sackok,ts 0 0,ws 8>
  `,
  'a SYN-ACK offers only what was asked for': `
    ! listen
    < S 0
    > SA 0 ack 1 win 65535 <mss 1460>
  `,
  'a SYN-ACK echoes all options': `
    ! listen
    < S 0 <mss 1400,sackok,ts 777,ws 3>
    > SA 0 ack 1 win 65535 <mss 1460,sackok,ts 0 777,ws 8>
  `,
  'without an MSS option the far side takes 536 bytes': `${open('')}
    ! write 600
    > A 1:536 ack 1
    > PA 537:64 ack 1
  `,
  'an MSS of 1 is taken for 88': `${open('mss 1')}
    ! write 100
    > A 1:88 ack 1
    > PA 89:12 ack 1
  `,
  'a large MSS does not exceed the path': `${open('mss 9000')}
    ! write 1461
    > A 1:1460 ack 1
    > PA 1461:1 ack 1
  `,
  'timestamps take room from each segment': `${open('mss 1000,ts 5 0')}
    ! write 1000
    > A 1:988 ack 1 <ts 0 5>
    > PA 989:12 ack 1 <ts 0 5>
  `,
  'the window in a SYN is not scaled, those after are': `${open('mss 1000,ws 2', 1000)}
    ! write 1500
    > A 1:1000 ack 1
    < A 1 ack 1001 win 250
    > PA 1001:500 ack 1
  `,
  'a window scale of more than 14 counts as 14': `${open('mss 1000,ws 15', 1000)}
    < A 1 ack 1 win 1
    ! write 10
    > PA 1:10 ack 1
  `,
  'without window scaling our window is at most 65535': `${open()}
    < PA 1:10 ack 1
    > A 1 ack 11 win 65525
  `,
  'with window scaling it is told in 256 bytes': `${open('mss 1000,ws 7')}
    < PA 1:10 ack 1
    > A 1 ack 11 win 1024
  `,
  'the timestamp of the segment that is acknowledged is echoed, not of one out of order': `
    ! listen
    < S 0 <mss 1000,sackok,ts 100>
    > SA 0 ack 1
    < A 1 ack 1 <ts 101 0>
    * connection
    < PA 11:10 ack 1 <ts 120 0>
    > A 1 ack 1 <ts 0 101,sack 11-21>
    < PA 1:10 ack 1 <ts 110 0>
    > A 1 ack 21 <ts 0 110>
  `,
  'PAWS: an older timestamp is answered and dropped': `
    ! listen
    < S 0 <mss 1000,ts 100>
    > SA 0 ack 1
    < A 1 ack 1 <ts 101 0>
    * connection
    < PA 1:10 ack 1 <ts 99 0>
    > A 1 ack 1
    < PA 1:10 ack 1 <ts 102 0>
    > A 1 ack 11
    * readable
  `,
  'a segment without the timestamps agreed on is dropped': `
    ! listen
    < S 0 <mss 1000,ts 100>
    > SA 0 ack 1
    < A 1 ack 1 <ts 101 0>
    * connection
    < PA 1:10 ack 1
  `,
  'a reset needs no timestamp': `
    ! listen
    < S 0 <mss 1000,ts 100>
    > SA 0 ack 1
    < A 1 ack 1 <ts 101 0>
    * connection
    < R 1
    * ERR_RESET
  `,
})
