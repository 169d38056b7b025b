/** Questions to a person on the terminal that a command was started from. */
import { StringDecoder } from 'node:string_decoder'
import { ANSWER_MOST } from '../core/limits.js'
import { LineEditor } from './line-editor.js'

export interface Terminal {
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
}

/** Standard input and error, when both are a terminal: standard output may be a script's. */
export function terminal(): Terminal | undefined {
  const { stdin: input, stderr: output } = process
  return input.isTTY && output.isTTY ? { input, output } : undefined
}

/**
 * Shows `prompt` and reads a line; nothing of it is shown without `echo`. Undefined: the person gave
 * up (Ctrl-C, Ctrl-D) or the terminal has gone.
 */
export function readLine(
  { input, output }: Terminal,
  prompt: string,
  { echo }: { readonly echo: boolean },
): Promise<string | undefined> {
  const editor = new LineEditor(ANSWER_MOST)
  const decoder = new StringDecoder('utf8')
  // Raw before it is asked for, so that what is typed is not shown by the terminal itself.
  input.setRawMode(true)
  output.write(prompt)
  return new Promise((resolve) => {
    const finish = (text: string | undefined) => {
      input.off('data', onData).off('end', onEnd).off('error', onEnd)
      input.setRawMode(false)
      input.pause()
      output.write('\n')
      resolve(text)
    }
    const onEnd = () => finish(undefined)
    const onData = (chunk: Buffer) => {
      const before = editor.text
      const rest = editor.type(decoder.write(chunk))
      if (echo && editor.text.startsWith(before)) output.write(editor.text.slice(before.length))
      else if (echo) output.write(`\r\u001b[K${prompt}${editor.text}`)
      if (editor.state === 'typing') return
      // Pasted lines: the next question's answer is there already.
      if (rest !== '') input.unshift(Buffer.from(rest))
      finish(editor.state === 'done' ? editor.text : undefined)
    }
    input.on('data', onData).once('end', onEnd).once('error', onEnd)
    input.resume()
  })
}
