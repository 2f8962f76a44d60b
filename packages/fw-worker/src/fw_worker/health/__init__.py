"""Whether a worker takes messages, seen by itself and said in a file.

::

    event loop ─(every 5 s)─▶ report ─▶ file ◀─ fw health, the container's health check
               ─(every 10 s)─▶ probe ─▶ broker: are my consumers there, do messages get stuck?
                                 └ no ─▶ connects again
    watchdog ──(no sign of the loop)──▶ ends the process, so that its supervisor starts another

``python -m fw_worker.health`` looks at the file and imports nothing but the standard library.
"""
