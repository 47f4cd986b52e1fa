"""Configuration as code: attribute definitions, groups and directories as one YAML document.

``document`` reads and writes YAML and knows the lines, ``schema`` says what may stand in it, ``state`` describes what
the portal has in the same words, ``checks`` sees whether the parts fit, ``writing`` writes one part; ``export`` and
``apply`` put them together.
"""
