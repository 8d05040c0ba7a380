"""What can be found wrong with an app without connecting anywhere: for the doctor, and for Django's system checks."""
