/** Each state of RFC 9293 section 3.3.2 and what segments do in it. */
import t from 'tap'
import { Script } from './script.js'

const OPEN = `
  ! connect
  > S 0
  < SA 0 ack 1 win 60000 <mss 1000>
  > A 1 ack 1
  * connect
  = ESTABLISHED
`
const ACCEPT = `
  ! listen
  < S 0 win 60000 <mss 1000>
  > SA 0 ack 1
  < A 1 ack 1
  * connection
  = ESTABLISHED
`

const SCRIPTS: Readonly<Record<string, string>> = {
  'active open': OPEN,
  'passive open': ACCEPT,
  'a SYN to a closed port is refused (section 3.10.7.1)': `
    < S 0
    > RA 0 ack 1
  `,
  'a segment with ACK to no connection is reset with its number': `
    < A 5 ack 0
    > R 0
  `,
  'a RST to no connection is ignored': '< R 5',
  'a listener ignores what is neither SYN nor ACK': '! listen\n< F 5',
  'a listener resets an ACK': '! listen\n< A 5 ack 0\n> R 0',
  'SYN-SENT: RST with the right ACK means refused': `
    ! connect
    > S 0
    < RA 0 ack 1
    * ERR_REFUSED
    = CLOSED
  `,
  'SYN-SENT: RST with another ACK, or none, is ignored': `
    ! connect
    > S 0
    < RA 0 ack 2
    < R 0
    = SYN-SENT
  `,
  'SYN-SENT: a wrong ACK is reset and the SYN sent again at once': `
    ! connect
    > S 0
    < A 700 ack 900
    > R 900
    > S 0
    < SA 0 ack 1
    > A 1 ack 1
    * connect
  `,
  'SYN-SENT: the SYN is sent again after 1, 2, 4 … s, then ERR_TIMEOUT': `
    ! connect
    > S 0
    + 999
    + 1
    > S 0
    + 2000
    > S 0
    + 4000
    > S 0
    + 8000
    > S 0
    + 16000
    > S 0
    + 32000
    > S 0
    + 64000
    * ERR_TIMEOUT
    = CLOSED
  `,
  'SYN-SENT: end sends the FIN when the handshake is done': `
    ! connect
    > S 0
    ! write 5
    ! end
    < SA 0 ack 1
    > FPA 1:5 ack 1
    = FIN-WAIT-1
  `,
  'simultaneous open (figure 7)': `
    ! connect
    > S 0
    < S 0 <mss 1000>
    > SA 0 ack 1
    = SYN-RECEIVED
    < SA 0 ack 1
    = ESTABLISHED
    * connect
  `,
  'SYN-RECEIVED: a SYN again gets the SYN-ACK again': `
    ! listen
    < S 0
    > SA 0 ack 1
    < S 0
    > SA 0 ack 1
  `,
  'SYN-RECEIVED: the SYN-ACK is sent again five times, then forgotten': `
    ! listen
    < S 0
    > SA 0 ack 1
    + 1000
    > SA 0 ack 1
    + 2000
    > SA 0 ack 1
    + 4000
    > SA 0 ack 1
    + 8000
    > SA 0 ack 1
    + 16000
    > SA 0 ack 1
    + 32000
    < A 1 ack 1
    > R 1
  `,
  'SYN-RECEIVED: a wrong ACK is reset': `
    ! listen
    < S 0
    > SA 0 ack 1
    < A 1 ack 2
    > R 2
    < A 1 ack 1
    * connection
  `,
  'SYN-RECEIVED: RST returns to listening': `
    ! listen
    < S 0
    > SA 0 ack 1
    < R 1
    < A 1 ack 1
    > R 1
  `,
  'data with the last ACK of the handshake': `
    ! listen
    < S 0
    > SA 0 ack 1
    < PA 1:10 ack 1
    > A 1 ack 11
    * connection readable
  `,
  'our close first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT': `${OPEN}
    ! end
    > FA 1 ack 1
    = FIN-WAIT-1
    < A 1 ack 2
    = FIN-WAIT-2
    < PA 1:10 ack 2
    > A 2 ack 11
    * readable
    ! read
    < FA 11 ack 2
    > A 2 ack 12
    = TIME-WAIT
    * ended close
    < FA 11 ack 2
    > A 2 ack 12
  `,
  'FIN and ACK of ours at once: straight to TIME-WAIT': `${OPEN}
    ! end
    > FA 1 ack 1
    < FA 1 ack 2
    > A 2 ack 2
    = TIME-WAIT
    * ended close
  `,
  'simultaneous close: CLOSING': `${OPEN}
    ! end
    > FA 1 ack 1
    < FA 1 ack 1
    > A 2 ack 2
    = CLOSING
    * ended
    < A 2 ack 2
    = TIME-WAIT
    * close
  `,
  'their close first: CLOSE-WAIT, LAST-ACK': `${ACCEPT}
    < FA 1 ack 1
    > A 1 ack 2
    = CLOSE-WAIT
    * ended
    ! write 10
    > PA 1:10 ack 2
    ! end
    > FA 11 ack 2
    = LAST-ACK
    < A 2 ack 12
    = CLOSED
    * close
    < A 2 ack 12
    > R 12
  `,
  'a FIN in front of missing data waits for it': `${OPEN}
    < FPA 11:10 ack 1
    > A 1 ack 1
    = ESTABLISHED
    < PA 1:10 ack 1
    > A 1 ack 22
    = CLOSE-WAIT
    * readable
  `,
  'the close is told only when all was read': `${OPEN}
    ! end
    > FA 1 ack 1
    < FPA 1:10 ack 2
    > A 2 ack 12
    * readable
    = TIME-WAIT
    ! read
    * ended close
  `,
  'data after our FIN was acknowledged is taken for as long as they send': `${OPEN}
    ! end
    > FA 1 ack 1
    < A 1 ack 2
    + 600000
    < PA 1:10 ack 2
    > A 2 ack 11
    = FIN-WAIT-2
    * readable
  `,
  'a FIN is sent again until acknowledged': `${OPEN}
    ! end
    > FA 1 ack 1
    + 201
    > FA 1 ack 1
    + 401
    > FA 1 ack 1
    < FA 1 ack 2
    > A 2 ack 2
    = TIME-WAIT
    * ended close
  `,
  'data in TIME-WAIT is answered with an ACK': `${OPEN}
    ! end
    > FA 1 ack 1
    < FA 1 ack 2
    > A 2 ack 2
    < PA 2:10 ack 2
    > A 2 ack 2
    * ended close
  `,
  'after 60 s TIME-WAIT is over': `${OPEN}
    ! end
    > FA 1 ack 1
    < FA 1 ack 2
    > A 2 ack 2
    * ended close
    + 60000
    < FA 1 ack 2
    > R 2
  `,
  'abort resets': `${OPEN}
    ! write 10
    > PA 1:10 ack 1
    ! abort
    > RA 11 ack 1
    = CLOSED
    < A 1 ack 11
    > R 11
  `,
  'abort in SYN-SENT is silent': `
    ! connect
    > S 0
    ! abort
    = CLOSED
    < SA 0 ack 1
    > R 1
  `,
  'write after end takes nothing': `${OPEN}
    ! end
    > FA 1 ack 1
    ! write 10
  `,
  'a reset fails the connection, what has arrived can be read': `${OPEN}
    < PA 1:10 ack 1
    > A 1 ack 11
    < R 11
    * readable ERR_RESET
    = CLOSED
    ! read
  `,
  'a reset in LAST-ACK with everything acknowledged is a close': `${OPEN}
    < FA 1 ack 1
    > A 1 ack 2
    ! end
    > FA 1 ack 2
    < R 2
    * ended close
    = CLOSED
  `,
}

for (const [name, script] of Object.entries(SCRIPTS)) {
  t.test(name, async (t) => {
    const s = new Script()
    t.same(s.run(script), [])
    t.equal(s.wrong, 0, 'the bytes read are those sent')
  })
}
