"""The layertune command: the API's client, and the single processes of the stack."""
