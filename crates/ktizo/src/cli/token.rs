//! `ktizo token`.

use api::types::{ApiToken, NewToken};
use clap::Subcommand;
use model::{Authority, PersonName, TokenId};

use super::output::{columns, say, when};
use super::value::one_of;
use super::{Failure, Remote};

/// Tokens for scripts and for `ktizo login`.
#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// List tokens, without their secrets
    List,
    /// Make a token and print its secret, this once
    Add {
        /// Its name
        name: PersonName,
        /// What it may do: look, also approve devices and give orders, or everything
        #[arg(long, default_value = "viewer", value_parser = one_of::<Authority>(Authority::WORDS))]
        authority: Authority,
        /// For how many days it is good; 0 for ever
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Revoke a token, at once
    Revoke {
        /// Its number, as `ktizo token list` shows it
        id: i64,
    },
}

impl TokenArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            TokenCommand::List => {
                let tokens = client.tokens().await?;
                output.print(&tokens, |tokens| table(tokens))
            }
            TokenCommand::Add {
                name,
                authority,
                days,
            } => {
                let new = NewToken {
                    name,
                    authority,
                    days: (days > 0).then_some(days),
                };
                let made = client.add_token(&new).await?;
                // Alone on its line, for `TOKEN=$(ktizo token add ...)`.
                output.print(&made, |made| made.secret.clone())
            }
            TokenCommand::Revoke { id } => {
                client.revoke_token(TokenId(id)).await?;
                say(&format!("Token {id} is revoked."))
            }
        }
    }
}

fn table(tokens: &[ApiToken]) -> String {
    let row = |token: &ApiToken| {
        vec![
            token.id.to_string(),
            token.name.to_string(),
            if token.in_force == token.authority {
                token.authority.to_string()
            } else {
                format!(
                    "{}, as its maker (made as {})",
                    token.in_force, token.authority
                )
            },
            token.made_by.clone(),
            match token.ended_at {
                Some(_) => format!("over since {}", when(token.ended_at)),
                None => when(token.expires_at),
            },
            when(token.last_used),
        ]
    };
    columns(
        &[
            "number",
            "name",
            "authority",
            "made by",
            "ends",
            "last used",
        ],
        tokens.iter().map(row).collect(),
        "There are no API tokens.",
    )
}
